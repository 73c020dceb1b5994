"""Answers that don't fit into their limit, page by page: a cursor says after which row to go on.

A page begins after the last row of the page before it, in the order of the rows. So no row comes
twice and none is left out, whatever lands meanwhile.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import polars as pl
from starlette.datastructures import URL

from energy_platform.errors import UsageError
from energy_platform.market.instants import parse_instant
from energy_platform.market.source import MarketSource

CURSOR: Final = "cursor"


def cursor_after(rows: pl.DataFrame, order: Sequence[str]) -> str:
    """Return the cursor after the last of some rows."""
    last = [_said(value) for value in rows.select(order).row(-1)]
    return base64.urlsafe_b64encode(orjson.dumps(last)).decode().rstrip("=")


def is_after(cursor: str | None, source: MarketSource, order: Sequence[str]) -> pl.Expr:
    """Return the condition that a row comes after a cursor.

    Raises:
        UsageError: The cursor is none of this source.
    """
    after: pl.Expr = pl.lit(value=cursor is None)
    if cursor is None:
        return after
    for name, value in reversed(list(zip(order, _values(cursor, source, order), strict=True))):
        column = pl.col(name)
        # Rows without a value come first.
        is_later = column.is_not_null() if value is None else column > value
        after = is_later.fill_null(value=False) | (column.eq_missing(pl.lit(value)) & after)
    return after


def next_page(address: URL, cursor: str) -> str:
    """Return the address of the page after a cursor, on this server."""
    following = address.include_query_params(**{CURSOR: cursor})
    return f"{following.path}?{following.query}"


def _values(cursor: str, source: MarketSource, order: Sequence[str]) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        dtypes = [source.dtypes[name] for name in order]
        return [_read(value, dtype) for value, dtype in zip(values, dtypes, strict=True)]
    except (binascii.Error, ValueError, TypeError, UsageError):
        raise UsageError(f"cursor is none of {source.name}") from None


def _said(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _read(value: Any, dtype: pl.DataType) -> object:  # noqa: ANN401 (JSON)
    if value is None or not isinstance(dtype, pl.Datetime):
        return pl.Series([value], dtype=dtype).item()
    return parse_instant(value)
