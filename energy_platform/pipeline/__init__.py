"""The way from landed bytes to checked rows in both stores, and the ways to make them again.

Here belong tables, checks, quarantine, the micro-batch, the hot copy, replay and redrive. How
bytes arrive is in `ingest`; who starts a batch is decided outside the library.
"""
