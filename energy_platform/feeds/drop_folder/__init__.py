"""A folder in which people and programs drop files.

`inbox` puts files there whole and reads them, and `feed` lands what is there and removes it.
"""
