"""What a table's change feed says: rows in landing order, and where to go on from."""

import json
from dataclasses import dataclass
from typing import Self

import polars as pl

from energy_platform.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """New rows of a table.

    Attributes:
        rows: Every revision, in landing order, with the table's columns.
        cursor: Where to go on from, once the rows are handled.
        is_replay: Whether rows that were handled before have been replaced since. The feed then
            begins anew, with the table's first row: what was made of earlier rows is to be dropped.
        is_last: Whether there was nothing more when this was read.
    """

    rows: pl.DataFrame
    cursor: str
    is_replay: bool
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a table's change feed.

    Attributes:
        table: The table.
        offset: The landing offset of the next row.
        replacements: How often rows had been replaced.
    """

    table: str
    offset: int
    replacements: int

    def __str__(self) -> str:
        return json.dumps([self.table, self.offset, self.replacements])

    @classmethod
    def read(cls, text: str, table: str) -> Self:
        """Return the cursor that a text holds.

        Raises:
            UsageError: It is no cursor, or that of another table.
        """
        try:
            name, offset, replacements = json.loads(text)
            cursor = cls(table=str(name), offset=int(offset), replacements=int(replacements))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{text!r} is no cursor of `changes`") from error
        if cursor.table != table:
            raise UsageError(f"this cursor is of {cursor.table}, not of {table}")
        return cursor
