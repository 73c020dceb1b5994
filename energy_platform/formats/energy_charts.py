"""The reply of Energy-Charts: column arrays beside `unix_seconds`, as JSON.

The reply names neither the zone nor the region; each source knows it, and what the columns mean.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import polars as pl

from energy_platform.encodings.answer_forms import Form, json_form
from energy_platform.encodings.json_reply import decoded, decoded_each, number, text
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.raw_message import RawMessage

ENERGY_CHARTS: Final = Provider(name="Energy-Charts", rates=(Rate(2),))

COUNTRIES: Final = (
    "al", "at", "ba", "be", "bg", "ch", "cy", "cz", "de", "dk", "ee", "es", "eu", "fi", "fr", "ge",
    "gr", "hr", "hu", "ie", "it", "lt", "lu", "lv", "md", "me", "mk", "mt", "nie", "nl", "no", "pl",
    "pt", "ro", "rs", "se", "si", "sk", "tr", "ua", "uk", "xk",
)  # fmt: skip
"""The codes of the countries with public power; some of them seldom have values."""

PRODUCTION_TYPES: Final = (
    "Biomass", "Cross border electricity trading", "Fossil brown coal / lignite",
    "Fossil coal-derived gas", "Fossil gas", "Fossil hard coal", "Fossil oil", "Geothermal",
    "Hydro Run-of-River", "Hydro pumped storage", "Hydro pumped storage consumption",
    "Hydro water reservoir", "Load", "Nuclear", "Others", "Renewable share of generation",
    "Renewable share of load", "Residual load", "Solar", "Waste", "Wind offshore", "Wind onshore",
)  # fmt: skip
"""The series of Germany, as Energy-Charts names them; other countries have some of these."""

_MARKET_ZONE: Final = "Europe/Berlin"
_PERIODS: Final = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60))
_PUBLISHED: Final = pl.col("value").is_not_null().reverse().cum_max().reverse()
"""Whether a value, or a later one, is there; in order of time."""

_TEXTS: Final = pl.List(pl.String)
_LAST_SECOND: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())


def answers(column: str) -> Form:
    """Return the expected form of a reply with this column."""
    return json_form("unix_seconds", column)


def series(messages: Sequence[RawMessage], column: str, *, unit: str | None = None) -> pl.DataFrame:
    """Return one column of each reply as `instant` (UTC) and `value`, in order of time.

    `landing_offset` says whose reply it is.

    Nulls after the last value are not published yet, and are left out. A null before a value is
    known to be missing: it is kept, so that a check refuses it and the hole is seen. A malformed
    number is NaN, and a malformed time is null.

    Raises:
        ParseError: A reply is not of this form, is in another unit than `unit`, or its times do
            not increase.
    """
    bodies = [message.body for message in messages]
    return _series(bodies, [message.landing_offset for message in messages], column, unit)


def _series(
    bodies: Sequence[bytes], offsets: Sequence[int], column: str, unit: str | None = None
) -> pl.DataFrame:
    shape = pl.Struct({"unix_seconds": _TEXTS, column: _TEXTS, "unit": pl.String})
    replies = (
        decoded_each(bodies, shape)
        .struct.unnest()
        .with_columns(pl.Series("landing_offset", offsets, pl.Int64))
    )
    for found in replies["unit"]:
        if unit is not None and found != unit:
            raise ParseError(f"the unit is {found!r}, not {unit!r}")
    for name in ("unix_seconds", column):
        if replies[name].has_nulls():
            raise ParseError(f"the reply has no array {name!r}")
    for seconds, values in replies.select(pl.col("unix_seconds", column).list.len()).rows():
        if seconds != values:
            raise ParseError(f"{seconds} unix_seconds stand beside {values} of {column}")
    told = replies.drop("unit").explode("unix_seconds", column, empty_as_null=False)
    return told.select(
        "landing_offset",
        instant=_instants(told["unix_seconds"], told["landing_offset"]),
        value=number(pl.col(column)),
    ).filter(_PUBLISHED.over("landing_offset"))


def named_series(body: bytes, array: str) -> pl.DataFrame:
    """Return the columns of a reply that has many, each with its name, below one another.

    Columns: `instant` (UTC), `period_end` (see the function), `name` and `value`; in order of the
    reply's series, then of time. Nulls after a series' last value are left out; a null before it is
    kept as unknown. A malformed number is NaN, and a malformed time is null. `refused` says why a
    series is not read: it lacks a value for some time, or a name of its own.

    Raises:
        ParseError: The reply is not of this form, or its times do not increase.
    """
    column = pl.Struct({"name": pl.String, "data": _TEXTS})
    shape = pl.Struct({"unix_seconds": _TEXTS, array: pl.List(column)})
    reply = decoded(body, shape).struct.unnest()
    if reply["unix_seconds"].has_nulls() or reply[array].has_nulls():
        raise ParseError(f"the reply has no arrays 'unix_seconds' and {array!r}")
    seconds = reply["unix_seconds"].explode(empty_as_null=False)
    instants = _instants(seconds, pl.zeros(len(seconds), dtype=pl.Int64, eager=True))
    name = text(pl.col("name"))
    columns = (
        reply[array]
        .explode(empty_as_null=False)
        .struct.unnest()
        .select(
            "data",
            name=name,
            refused=pl.when(name.is_null() | name.is_duplicated())
            .then(pl.lit("a series without a name of its own"))
            .when(pl.col("data").list.len().ne_missing(len(instants)))
            .then(pl.lit("a series without one value per time")),
        )
    )
    times = pl.DataFrame({"instant": instants}).with_columns(
        period_end=period_end(pl.col("instant"), _PERIODS)
    )
    read = columns.filter(pl.col("refused").is_null())
    values = read.explode("data", empty_as_null=False)
    found = (
        read.select("name")
        .join(times, how="cross", maintain_order="left_right")
        .with_columns(values.select(value=number(pl.col("data"))))
        .filter(_PUBLISHED.over("name"))
    )
    refused = columns.filter(pl.col("refused").is_not_null()).select("name", "refused")
    return pl.concat([found, refused], how="diagonal")


def period_end(start: pl.Expr, lengths: Collection[timedelta]) -> pl.Expr:
    """Return the ends of periods for their ordered starts, since a reply doesn't give their length.

    The periods of a market day last the day's smallest step, if that is one of `lengths`, so a gap
    stretches none. A lone row takes the length of the day before. Without either the end is null.
    """
    step = start.diff().shift(-1)
    known_step = pl.when(step.is_in(lengths)).then(step)
    day = start.dt.convert_time_zone(_MARKET_ZONE).dt.date()
    return start + known_step.min().over(day).forward_fill()


def newest_instant(body: bytes, column: str) -> datetime | None:
    """Return the newest instant that has a value; None if there is none or the body is garbage."""
    try:
        return cast("datetime | None", _series([body], [0], column)["instant"].max())
    except ParseError:
        return None


def _instants(texts: pl.Series, replies: pl.Series) -> pl.Series:
    """Return the seconds since 1970 of some replies as instants; null outside the calendar."""
    seconds = texts.cast(pl.Int64, strict=False)
    seconds = seconds.set(~seconds.is_between(0, _LAST_SECOND), None)
    known, of = seconds.drop_nulls(), replies.filter(seconds.is_not_null())
    if of.n_unique() < replies.n_unique():
        raise ParseError("unix_seconds hold no time")
    if not ((known.diff() > 0) | (of.diff() != 0)).all():
        raise ParseError("unix_seconds do not increase")
    return pl.from_epoch(seconds, time_unit="s").dt.replace_time_zone("UTC").cast(INSTANT)
