"""The reply of Open-Meteo: column arrays of one place, or of several in the order of the question.

A reply says in which unit each of its columns is, and that varies with the question: it is checked,
and wind converted. It does not say which model run it comes from, nor the place that was asked for
(its coordinates are those of the model's nearest cell), so the question's context names the places.
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import json_object, number
from energy_platform.errors import FeedError, ParseError
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.rows import INSTANT

FORECAST: Final = "https://api.open-meteo.com/v1/forecast"
VARIABLES: Final = {
    "temperature_deg_c": "temperature_2m",
    "relative_humidity_pct": "relative_humidity_2m",
    "cloud_cover_pct": "cloud_cover",
    "precipitation_mm": "precipitation",
    "wind_speed_10m_m_per_s": "wind_speed_10m",
    "wind_speed_80m_m_per_s": "wind_speed_80m",
    "wind_speed_120m_m_per_s": "wind_speed_120m",
    "wind_gusts_10m_m_per_s": "wind_gusts_10m",
    "wind_direction_80m_deg": "wind_direction_80m",
    "shortwave_radiation_w_per_m2": "shortwave_radiation",
    "direct_radiation_w_per_m2": "direct_radiation",
    "diffuse_radiation_w_per_m2": "diffuse_radiation",
}
"""The columns of a forecast, and Open-Meteo's names for them."""
QUESTION: Final = {
    "hourly": ",".join(VARIABLES.values()),
    "wind_speed_unit": "ms",
    "timeformat": "unixtime",
    "timezone": "GMT",
}
"""What to ask for beside place and time; unless asked, wind is in km/h, and times are texts."""

ANSWER: Final = json_form("hourly")

_MAKING: Final = re.compile(rb'"generationtime_ms": ?[0-9.eE+-]+,?')
_WEIGHT: Final = 120
"""What a question for a hundred places and twelve variables counts as, in calls: each place is one,
and a tenth more for every variable beyond ten."""
OPEN_METEO: Final = Provider(
    name="Open-Meteo",
    rates=(
        Rate(600 // _WEIGHT, timedelta(minutes=1)),
        Rate(5_000 // _WEIGHT, timedelta(hours=1)),
        Rate(10_000 // _WEIGHT, timedelta(days=1)),
    ),
)

_METRES_PER_SECOND: Final = {"m/s": 1.0, "km/h": 1 / 3.6, "mp/h": 0.44704, "kn": 1852 / 3600}
_UNITS: Final = {
    "_m_per_s": _METRES_PER_SECOND,
    "_deg": {"°": 1.0},
    "_deg_c": {"°C": 1.0},
    "_pct": {"%": 1.0},
    "_mm": {"mm": 1.0},
    "_w_per_m2": {"W/m²": 1.0},
}
"""By the end of a column's name, the units that it is read from and what each is multiplied by."""
_LAST_SECOND: Final = 7_258_118_400  # the year 2200


def is_answer(status: int, body: bytes) -> bool:
    """Say that a reply is to be landed.

    Raises:
        FeedError: It is a refusal; its reason is in the message.
    """
    if status == HTTPStatus.BAD_REQUEST:
        try:
            reason = json_object(body).get("reason")
        except ParseError as error:
            reason = error
        raise FeedError(f"refused: {reason}")
    return True


def essence(body: bytes) -> bytes:
    """Return a reply without how long it took to make, in which no two are the same."""
    return _MAKING.sub(b"", body)


def hourly(body: bytes, sites: str | None) -> pl.DataFrame:
    """Return one row per place and hour: `site`, `valid_at`, and the columns of `VARIABLES`.

    An hour of which nothing is known has no row. A variable that the reply lacks is null, a number
    that is none NaN. A time that is none is null, and so is one that may be two: local time in the
    hours around a change of clocks.

    Args:
        body: The reply.
        sites: The names of the places, in the order of the question, between commas; unless given,
            a place is named by the coordinates of its reply.

    Raises:
        ParseError: The reply is an error or of another form, has not as many places as were asked
            for, none of the variables, or one in a unit that is not known.
    """
    places = _places(body)
    if sites is None:
        places = places.with_columns(site=pl.format("{},{}", "latitude", "longitude"))
    else:
        names = sites.split(",")
        if len(names) != places.height:
            raise ParseError(f"{places.height} places answer the question for {len(names)}")
        places = places.with_columns(site=pl.Series(names))
    given = {
        column: variable
        for column, variable in VARIABLES.items()
        if places[f"values {variable}"].count() > 0
    }
    if not given:
        raise ParseError(f"the reply has none of {', '.join(VARIABLES.values())}")
    factors = {column: _factors(places, column, variable) for column, variable in given.items()}
    lists = [f"values {variable}" for variable in ("time", *given.values())]
    lengths = places.select(pl.col(lists).list.len().fill_null(0))
    if not lengths.select(pl.all_horizontal(pl.col(lists) == pl.col(lists[0])).all()).item():
        raise ParseError("the reply's columns are not of one length")
    rows = places.with_columns(**factors).explode(lists, empty_as_null=False)
    valid_at = pl.coalesce(_unix(), *_local(rows))
    missing = {column: pl.lit(None, dtype=pl.Float64) for column in VARIABLES.keys() - given.keys()}
    return (
        rows.with_columns(valid_at=valid_at)
        .select(
            "site",
            "valid_at",
            **{
                column: number(pl.col(f"values {variable}")) * pl.col(column)
                for column, variable in given.items()
            },
            **missing,
        )
        .filter(pl.any_horizontal(pl.col(*given).is_not_null()))
        .select("site", "valid_at", *VARIABLES)
    )


def _places(body: bytes) -> pl.DataFrame:
    """Return one row per place: where it is, its zone, and the units and values of variables."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ParseError(f"the reply is not UTF-8: {error}") from error
    if not text:
        raise ParseError("the reply is empty")
    names = ("time", *VARIABLES.values())
    said = dict.fromkeys(
        ("latitude", "longitude", "utc_offset_seconds", "timezone", "error", "reason"), pl.String
    )
    shape = pl.Struct(
        {
            **said,
            "hourly_units": pl.Struct(dict.fromkeys(names, pl.String)),
            "hourly": pl.Struct(dict.fromkeys(names, pl.List(pl.String))),
        }
    )
    several = text if text.startswith("[") else f"[{text}]"
    try:
        decoded = pl.Series("place", [several]).str.json_decode(pl.List(shape))
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError) as error:
        raise ParseError(f"not a reply of the known form: {error}") from error
    places = decoded.explode(empty_as_null=False).struct.unnest()
    if refused := places["reason"].drop_nulls().to_list():
        raise ParseError(f"an error: {refused[0]}")
    if places.is_empty() or places["hourly"].has_nulls() or places["hourly_units"].has_nulls():
        raise ParseError("the reply has no hourly values with their units")
    return places.with_columns(
        pl.col("hourly_units").struct.rename_fields([f"unit {name}" for name in names]),
        pl.col("hourly").struct.rename_fields([f"values {name}" for name in names]),
    ).unnest("hourly_units", "hourly")


def _factors(places: pl.DataFrame, column: str, variable: str) -> pl.Series:
    """Return what each place's values of a variable are multiplied by."""
    known = next(
        factors
        for suffix, factors in sorted(_UNITS.items(), key=lambda item: -len(item[0]))
        if column.endswith(suffix)
    )
    units = places[f"unit {variable}"]
    if unknown := [unit for unit in units.unique() if unit not in known]:
        raise ParseError(f"{variable} is in {unknown[0]!r}, not in one of {', '.join(known)}")
    return units.replace_strict(known, return_dtype=pl.Float64)


def _unix() -> pl.Expr:
    """Return times that are given as seconds since 1970; they are UTC whatever the zone is."""
    seconds = pl.col("values time").cast(pl.Int64, strict=False)
    of_our_time = pl.when(
        (pl.col("unit time") == "unixtime") & seconds.is_between(0, _LAST_SECOND)
    ).then(seconds)
    return pl.from_epoch(of_our_time, time_unit="s").dt.replace_time_zone("UTC").cast(INSTANT)


def _local(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return times that are given as local labels, one expression for each zone of the reply.

    The labels have no offset, and the reply has one for all of them. Where that one is not the
    zone's at that time, or the label comes twice, there is no telling when it was.
    """
    label = pl.col("values time").str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False)
    offset = pl.duration(seconds=pl.col("utc_offset_seconds").cast(pl.Int64, strict=False))
    by_offset = (label - offset).dt.replace_time_zone("UTC")
    found: list[pl.Expr] = []
    for zone in rows["timezone"].drop_nulls().unique():
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError) as error:
            raise ParseError(f"the time zone is {zone[:40]!r}") from error
        by_zone = label.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
        same = by_zone.dt.convert_time_zone("UTC") == by_offset
        applies = (pl.col("unit time") == "iso8601") & (pl.col("timezone") == zone) & same
        found.append(pl.when(applies).then(by_offset))
    return found
