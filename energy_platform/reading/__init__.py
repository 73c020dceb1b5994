"""What a notebook calls: the catalogue, its search, and tables as of any instant.

Nothing here writes to a platform; `cache` keeps answers in a folder that its user names.
"""
