"""SMARD's chart data: an index of files, and files of one local week of one series each, as JSON.

A file names neither its series nor the length of its slots. The series is in the file's name, e.g.
`4169_DE_quarterhour_1729461600000.json`. The length is the step from each slot to the next, which
is constant, since the weeks of a clock change have 167 or 169 hours.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import decoded, json_object, number
from energy_platform.errors import ContextMissingError, ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate

SMARD: Final = Provider(name="SMARD", rates=(Rate(5),))
"""The Bundesnetzagentur states no limit; this rate is well below that of its own pages."""

BASE_URL: Final = "https://www.smard.de/app/chart_data"
ZONE: Final = "Europe/Berlin"
LONGEST_FILE: Final = timedelta(days=7, hours=1)
TERMS: Final = "CC BY 4.0, Bundesnetzagentur | SMARD.de"

ANSWER: Final = json_form("series", records="series")

_RESOLUTIONS: Final = {"quarterhour": 900_000, "hour": 3_600_000}
"""How many milliseconds a slot lasts."""

_FILE: Final = pl.Struct(
    {
        "meta_data": pl.Struct({"created": pl.String}),
        "series": pl.List(pl.List(pl.String)),
    }
)
_VALUE: Final = number(pl.col("value"))
_FILE_NAME: Final = re.compile(r"(?P<filter>\d+)_(?P<region>[^_/]+)_(?P<resolution>[a-z]+)_\d+")
_LAST_MILLISECOND: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)


def urls(filter_: str, region: str, resolution: str) -> tuple[str, str]:
    """Return the addresses of a series' index and of its files, with `{name}` for a file's name."""
    folder = f"{BASE_URL}/{filter_}/{region}"
    return (
        f"{folder}/index_{resolution}.json",
        f"{folder}/{filter_}_{region}_{resolution}_{{name}}.json",
    )


def index(body: bytes) -> list[tuple[str, datetime]]:
    """Return the files that an index lists: the name of each, and the instant at which it begins.

    Raises:
        ParseError: The body is no index.
    """
    listed = json_object(body).get("timestamps")
    if not isinstance(listed, list) or not all(map(_is_milliseconds, listed)):
        raise ParseError("the index has no array 'timestamps' of milliseconds")
    return [(str(stamp), datetime.fromtimestamp(stamp / 1000, UTC)) for stamp in listed]


def essence(body: bytes) -> bytes:
    """Return a file without the time of its writing, which changes although no value does."""
    return body.partition(b'"series"')[2] or body


def series_of(context: Mapping[str, str]) -> dict[str, str]:
    """Return a message's `filter`, `region` and `resolution`: by the file's name, else as given.

    Raises:
        ContextMissingError: Neither names the series.
    """
    for name in ("url", "file_name"):
        if found := _FILE_NAME.search(context.get(name, "")):
            return found.groupdict()
    for name in ("filter", "region"):
        if name not in context:
            raise ContextMissingError(name)
    return {name: context[name] for name in ("filter", "region", "resolution") if name in context}


def slots(body: bytes, resolution: str | None = None) -> pl.DataFrame:
    """Return a file as `delivery_start`, `delivery_end`, `value` and `published_at`, in order.

    Nulls after the last value are slots in the future or not published yet, and are left out. A
    null before a value is unknown, and stays. An element that is no pair, or whose time is outside
    the calendar, is a row without a `delivery_start`.

    Args:
        body: The file.
        resolution: The slots' length, if it is known: `quarterhour` or `hour`.

    Raises:
        ParseError: The body is not of this form, or its slots are not of one known length.
    """
    reply = decoded(body, _FILE).struct
    pairs = reply.field("series").explode(empty_as_null=False)
    if reply.field("series").has_nulls() or (len(pairs) and pairs.null_count() == len(pairs)):
        raise ParseError("the file has no array 'series' of pairs")
    starts = pairs.list.get(0, null_on_oob=True).cast(pl.Int64, strict=False)
    is_slot = starts.is_between(0, _LAST_MILLISECOND) & (pairs.list.len() == 2)  # noqa: PLR2004 (a pair)
    starts = starts.set(~is_slot.fill_null(value=False), None)
    if len(starts) and starts.null_count() == len(starts):
        raise ParseError("no slot has a time that a calendar has")
    created = reply.field("meta_data").struct.field("created").cast(pl.Int64, strict=False)
    published = pl.col("value").is_not_null().reverse().cum_max().reverse()
    return (
        pl.DataFrame({"start": starts, "value": pairs.list.get(1, null_on_oob=True)})
        .with_columns(value=pl.when(pl.col("start").is_null()).then(float("nan")).otherwise(_VALUE))
        .select(
            delivery_start=_instant(pl.col("start")),
            delivery_end=_instant(pl.col("start") + _slot_milliseconds(starts, resolution)),
            value="value",
            published_at=_instant(pl.lit(created.item(), dtype=pl.Int64)),
        )
        .filter(published)
    )


def _slot_milliseconds(starts: pl.Series, resolution: str | None) -> int:
    """Return how long each slot is: the smallest step, of which all others are multiples."""
    steps = starts.diff().drop_nulls()
    smallest = cast("int | None", steps.min())
    step = smallest or _RESOLUTIONS.get(resolution or "", 0)
    if step not in _RESOLUTIONS.values() or (steps % step != 0).any():
        raise ParseError(f"slots follow each other after {steps.unique().to_list()[:5]} ms")
    if resolution is not None and _RESOLUTIONS.get(resolution) != step:
        raise ParseError(f"slots of {step} ms are not those of a file by {resolution}")
    return step


def _instant(milliseconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(milliseconds, time_unit="ms").dt.replace_time_zone("UTC").cast(INSTANT)


def _is_milliseconds(stamp: object) -> bool:
    return type(stamp) is int and 0 <= stamp <= _LAST_MILLISECOND
