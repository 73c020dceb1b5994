"""The warehouse: every revision of every row, append-only, exactly once.

`protocol` has the promises, one further module each of the systems that keep them. Nothing here
knows a market; a `Table` is columns and types.
"""
