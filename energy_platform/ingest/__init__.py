"""Runs the feeds and lands what they bring: the collector all day, a backfill for the past.

Here belong sessions and the rate limits that feeds of one provider share. How one protocol works
is in `feeds`; what the bytes mean is unknown here.
"""
