"""Runs the feeds and lands their messages: the collector all day, a backfill for the past.

Sessions, and the rate limits that feeds of one provider share, belong here. `feeds` has the
protocols; what the bytes mean is unknown here.
"""
