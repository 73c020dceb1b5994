"""The warehouse: every revision of every row, append-only, exactly once.

`protocol` states what a warehouse promises; each system that keeps the promises has a module or
package of its own. No module here knows a market: a `Table` is columns and types.
"""
