"""The reply of Energy-Charts: column arrays beside `unix_seconds`, as JSON.

What a column means, and which zone or region it is for, is the business of the source: the reply
does not name it.
"""

from datetime import UTC, datetime
from typing import Any, Final, cast

import polars as pl

from energy_platform.errors import ParseError
from energy_platform.formats.json_reply import json_object
from energy_platform.market_rows import INSTANT
from energy_platform.provider import Provider, Rate

ENERGY_CHARTS: Final = Provider(name="Energy-Charts", rates=(Rate(2),))

_LAST_SECOND: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())


def series(body: bytes, column: str, *, unit: str | None = None) -> pl.DataFrame:
    """Return one column of a reply as `instant` (UTC) and `value`, in order of time.

    Nulls behind the last value stand for what is not published yet, and are left out. A null
    before a value is one that the provider says it does not have: it is kept, for the checks to
    refuse, so that the hole is seen.

    Raises:
        ParseError: The reply is not of this form, is in another unit than `unit`, or its times do
            not increase.
    """
    reply = json_object(body)
    if unit is not None and reply.get("unit") != unit:
        raise ParseError(f"the unit is {reply.get('unit')!r}, not {unit!r}")
    seconds, values = (
        _numbers(reply, "unix_seconds", pl.Int64),
        _numbers(reply, column, pl.Float64),
    )
    if len(seconds) != len(values):
        raise ParseError(f"{len(seconds)} unix_seconds stand beside {len(values)} of {column}")
    if seconds.has_nulls() or not seconds.is_sorted() or seconds.n_unique() < len(seconds):
        raise ParseError("unix_seconds do not increase")
    if not seconds.is_between(0, _LAST_SECOND).all():
        raise ParseError("unix_seconds lie outside of any calendar")
    published = pl.col("value").is_not_null().reverse().cum_max().reverse()
    return (
        pl.DataFrame(
            {
                "instant": pl.from_epoch(seconds, time_unit="s").dt.replace_time_zone("UTC"),
                "value": values,
            }
        )
        .select(pl.col("instant").cast(INSTANT), "value")
        .filter(published)
    )


def newest_instant(body: bytes, column: str) -> datetime | None:
    """Return the newest instant that has a value; None if there is none or the body is garbage."""
    try:
        return cast("datetime | None", series(body, column)["instant"].max())
    except ParseError:
        return None


def _numbers(reply: dict[str, Any], name: str, dtype: type[pl.DataType]) -> pl.Series:
    if not isinstance(reply.get(name), list):
        raise ParseError(f"the reply has no array {name!r}")
    try:
        return pl.Series(name, reply[name], dtype=dtype)
    except (TypeError, OverflowError) as error:
        raise ParseError(f"{name!r} holds what is not a number") from error
