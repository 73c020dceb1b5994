"""Which row was true when: revisions, what was known at an instant, and questions about both.

Pure functions over frames. Where rows are kept is the business of `storage`.
"""
