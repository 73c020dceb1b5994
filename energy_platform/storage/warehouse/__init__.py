"""The warehouse: every revision of every row, append-only, exactly once.

`protocol` states what a warehouse promises; each system that keeps the promises has a module or
package of its own. Markets are unknown here: a `Table` is columns and types.
"""
