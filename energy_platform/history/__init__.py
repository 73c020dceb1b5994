"""Which row was true when: revisions, what was known at an instant, and questions about both.

Pure functions over frames. `storage` keeps the rows.
"""
