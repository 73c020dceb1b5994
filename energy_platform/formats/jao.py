"""The replies of JAO's Publication Tool: one record per market time unit, one field per border.

Borders come and go with the region, so they are found in the reply.
"""

import itertools
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import FieldType, json_object, records
from energy_platform.errors import ParseError, RefusedError
from energy_platform.market.provider import Provider
from energy_platform.market.rows import INSTANT

JAO: Final = Provider(name="JAO", ban=timedelta(minutes=1))
API: Final = "https://publicationtool.jao.eu"

ANSWER: Final = json_form("data", records="data", having=("dateTimeUtc",))

_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_DAY: Final = timedelta(days=1)
_BORDER: Final = "border_"
_MARKET_TIME_UNITS: Final = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1))


def market_days(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the market days that [start, end] touches, as UTC instants from and to.

    One at a time: the service refuses more than two days, and two days are more when one of them
    has 25 hours.
    """
    first, last = (
        at.astimezone(_MARKET_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
        for at in (start, end)
    )
    count = (last.date() - first.date()).days + 1
    midnights = [first + number * _DAY for number in range(count + 1)]
    instants = [midnight.astimezone(ZoneInfo("UTC")) for midnight in midnights]
    return list(itertools.pairwise(instants))


def is_answer(_status: int, body: bytes) -> bool:
    """Say that a reply is to be landed.

    Raises:
        RefusedError: It rejects the question, whatever its status.
    """
    try:
        reply = json_object(body)
    except ParseError:
        return True
    if reply.get("rejected"):
        raise RefusedError(_rejection(reply))
    return True


def borders(body: bytes) -> pl.DataFrame:
    """Return one row per `border` and market time unit that has a `value`.

    Beside them stand `delivery_start`, `delivery_end` and `published_at`. A null is no row. A reply
    doesn't say how long its market time units are: those of a market day last its smallest step, so
    a gap stretches none. A lone one has no `delivery_end`.

    Raises:
        ParseError: The reply is a refusal, of another form, or not all of what was asked for.
    """
    reply = json_object(body)
    found = _records(reply)
    names = sorted({name for record in found for name in record if name.startswith(_BORDER)})
    if found and not names:
        raise ParseError(f"no field is a {_BORDER}X_Y: {', '.join(found[0])[:120]}")
    fields: dict[str, FieldType] = {"dateTimeUtc": INSTANT, "lastModifiedOn": INSTANT}
    fields |= dict.fromkeys(names, pl.Float64)
    step = pl.col("delivery_start").diff().shift(-1)
    day = pl.col("delivery_start").dt.convert_time_zone(_MARKET_TIME.key).dt.date()
    known_step = pl.when(step.is_in(_MARKET_TIME_UNITS)).then(step)
    return (
        records(body, fields, path=("data",))
        .rename({"dateTimeUtc": "delivery_start", "lastModifiedOn": "published_at"})
        .sort("delivery_start")
        .with_columns(delivery_end=pl.col("delivery_start") + known_step.min().over(day))
        .unpivot(
            names,
            index=["delivery_start", "delivery_end", "published_at"],
            variable_name="border",
            value_name="value",
        )
        .drop_nulls("value")
        .with_columns(pl.col("border").str.strip_prefix(_BORDER), pl.col("value").cast(pl.Float64))
    )


def _rejection(reply: dict[str, Any]) -> str:
    return f"the question was rejected: {reply.get('messages')}"[:240]


def _records(reply: dict[str, Any]) -> list[dict[str, Any]]:
    found = reply.get("data")
    if reply.get("rejected"):
        raise ParseError(_rejection(reply))
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise ParseError("the reply has no array of records 'data'")
    if (total := reply.get("totalRowsWithFilter", len(found))) != len(found):
        raise ParseError(f"the reply holds {len(found)} of {total} records")
    return found
