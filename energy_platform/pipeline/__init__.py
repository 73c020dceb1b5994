"""The way from landed bytes to checked rows in both stores, and the ways to make them again.

Tables, checks, quarantine, the micro-batch, the hot copy and its lane, replay and redrive belong
here. `ingest` brings the bytes, and the Dagster layer decides when a batch starts.
"""
