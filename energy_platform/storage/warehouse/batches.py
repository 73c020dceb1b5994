"""The checks that every warehouse makes of a batch before it stores it."""

import polars as pl

from energy_platform.errors import CommitConflictError
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.protocol import Position


def check_rows(table: Table, rows: pl.DataFrame, start: int, stop: int) -> None:
    """Refuse rows of another table, or of offsets outside [start, stop).

    Raises:
        ValueError: The rows have other columns, types or offsets.
    """
    if dict(rows.schema) != table.dtypes:
        raise ValueError(f"rows are not of {table.name}: {dict(rows.schema)} for {table.dtypes}")
    if not 0 <= start <= stop or not rows.get_column("landing_offset").is_between(
        start, stop, closed="left"
    ).all(ignore_nulls=False):
        raise ValueError(f"rows for {table.name} are not all of offsets [{start}, {stop})")


def check_batch(table: Table, rows: pl.DataFrame, start: int, stop: int) -> None:
    """Refuse a batch without messages, or with rows of other offsets.

    Raises:
        ValueError: The batch is one of these.
    """
    if start == stop:
        raise ValueError(f"a batch for {table.name} has rows of no offset")
    check_rows(table, rows, start, stop)


def is_stored(table: Table, found: Position, *, start: int, stop: int, replacements: int) -> bool:
    """Return whether a batch is stored already; if it isn't, it must be the next one.

    Args:
        table: The batch's table.
        found: The table's position.
        start: The batch's first landing offset.
        stop: The offset after its last.
        replacements: The table's replacements when the batch's rows were made.

    Raises:
        CommitConflictError: The batch isn't the next one, or rows were replaced since it was made.
    """
    if found.offset >= stop:
        return True
    if found.offset != start:
        raise CommitConflictError(f"{table.name} stands at offset {found.offset}, not at {start}")
    if found.replacements != replacements:
        raise CommitConflictError(f"rows of {table.name} have been replaced")
    return False
