"""What a notebook calls: the catalogue, its search, and tables as of any instant.

Nothing here writes.
"""
