"""The replies of JAO's Publication Tool: one record per market time unit, one field per border.

Borders come and go with the region, so their names are read from the reply. A reply does not say
which of JAO's data it is. Maximum exchanges are recognised by their borders: they have one between
any two hubs of Core, many more than there are lines.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import FieldType, json_object, records
from energy_platform.errors import ParseError, RefusedError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider

JAO: Final = Provider(name="JAO", ban=timedelta(minutes=1))
API: Final = "https://publicationtool.jao.eu"

ANSWER: Final = json_form("data", records="data", having=("dateTimeUtc",))

_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_DAY: Final = timedelta(days=1)
_BORDER: Final = "border_"
_HUBS: Final = {*("AT", "BE", "CZ", "DE", "FR", "HR", "HU", "NL", "PL", "RO", "SI", "SK")}
"""Core's bidding zones."""
BORDERS: Final = tuple(map("_".join, itertools.permutations(sorted(_HUBS), 2)))
"""Any two zones of Core, from and to, as JAO names them."""
_ALEGRO: Final = {"ALBE", "ALDE"}
"""The two ends of a cable that has a border of its own."""
_MARKET_TIME_UNITS: Final = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1))


def market_days(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the market days that [start, end] touches, as UTC instants from and to.

    One day at a time: the service refuses more than 48 hours, and two days with a 25-hour one are
    longer.
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
    """Return that a reply is to be landed.

    Raises:
        RefusedError: The reply rejects the question, whatever its status.
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

    The other columns are `delivery_start`, `delivery_end` and `published_at`. A null is no row. A
    reply doesn't give the length of its market time units: those of a market day last the day's
    smallest step, so a gap stretches none. A lone one has no `delivery_end`.

    Raises:
        ParseError: The reply is a refusal, of another form, or only part of what was asked for.
    """
    reply = json_object(body)
    found = _records(reply)
    fields_found = [name for record in found if isinstance(record, dict) for name in record]
    names = sorted({name for name in fields_found if name.startswith(_BORDER)})
    if found and not names:
        raise ParseError(f"no field is a {_BORDER}X_Y: {', '.join(fields_found)[:120]}")
    _refuse_other_data(names)
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


def _refuse_other_data(names: Sequence[str]) -> None:
    """Refuse borders that are not those of Core's maximum exchanges.

    Raises:
        ParseError: They are of another region, or fewer than half of the pairs of their hubs.
    """
    ends = [name.removeprefix(_BORDER).split("_") for name in names]
    hubs = {hub for each in ends for hub in each} - _ALEGRO
    if others := sorted(hubs - _HUBS):
        raise ParseError(f"the borders are not Core's: {', '.join(others)[:120]}")
    if names and 2 * len(names) < len(hubs) * (len(hubs) - 1):
        raise ParseError(f"{len(names)} borders between {len(hubs)} hubs are not maximum exchanges")


def _records(reply: dict[str, Any]) -> list[Any]:
    found = reply.get("data")
    if reply.get("rejected"):
        raise ParseError(_rejection(reply))
    if not isinstance(found, list):
        raise ParseError("the reply has no array of records 'data'")
    if (total := reply.get("totalRowsWithFilter", len(found))) != len(found):
        raise ParseError(f"the reply holds {len(found)} of {total} records")
    return found
