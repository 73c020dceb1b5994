"""The reply of Open-Meteo: column arrays of one place, or of several in the order of the question.

A reply names the unit of each of its columns, which varies with the question: the unit is checked,
and wind converted. The reply names neither its model run nor the requested place (its coordinates
are those of the model's nearest cell), so the question's context names the places.
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import decoded, json_object, number
from energy_platform.errors import FeedError, ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.rows import REFUSED

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
RADIATION: Final = tuple(name for name in VARIABLES if "radiation" in name)
"""Of these columns, those whose values are means of the hour before."""
QUESTION: Final = {
    "hourly": ",".join(VARIABLES.values()),
    "wind_speed_unit": "ms",
    "timeformat": "unixtime",
    "timezone": "GMT",
}
"""Parameters beside place and time; by default wind would be in km/h, and times would be texts."""

ANSWER: Final = json_form("hourly")

_MAKING: Final = re.compile(rb'"generationtime_ms": ?[0-9.eE+-]+,?')
_WEIGHT: Final = 120
"""How many calls a question for a hundred places and twelve variables counts as: one per place, and
a tenth more for every variable beyond ten.
"""
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
"""By the end of a column's name, the units that it may have and the factor for each."""
_LAST_SECOND: Final = 7_258_118_400  # the year 2200


def is_answer(status: int, body: bytes) -> bool:
    """Return that a reply is to be landed.

    Raises:
        FeedError: The reply is a refusal; the message has its reason.
    """
    if status == HTTPStatus.BAD_REQUEST:
        try:
            reason = json_object(body).get("reason")
        except ParseError as error:
            reason = error
        raise FeedError(f"refused: {reason}")
    return True


def essence(body: bytes) -> bytes:
    """Return a reply without the time that it took to make, which always differs."""
    return _MAKING.sub(b"", body)


def hourly(body: bytes, sites: str | None) -> pl.DataFrame:
    """Return one row per place and hour: `site`, `valid_at`, and the columns of `VARIABLES`.

    An hour without any value has no row. A variable that the reply lacks is null, and a malformed
    number is NaN. A malformed time is null, and so is an ambiguous one: local time in the hours
    around a change of clocks. `refused` says why a place is not read: it is an error, has none of
    the variables, one in an unknown unit, or columns of several lengths.

    Args:
        body: The reply.
        sites: The names of the places, in the order of the question, between commas; if not given,
            a place is named by the coordinates of its reply.

    Raises:
        ParseError: The reply is an error or of another form, has another number of places than the
            question, or no place that can be read.
    """
    places = _places(body)
    if sites is None:
        where = [number(pl.col(name)).is_finite() for name in ("latitude", "longitude")]
        by_coordinates = pl.format("{},{}", "latitude", "longitude")
        places = places.with_columns(site=pl.when(*where).then(by_coordinates))
    else:
        names = sites.split(",")
        if len(names) != places.height:
            raise ParseError(f"{places.height} places answer the question for {len(names)}")
        places = places.with_columns(site=pl.Series(names))
    places = places.with_columns(_refused(places).alias(REFUSED))
    refused = places.filter(pl.col(REFUSED).is_not_null()).select("site", REFUSED)
    if refused.height == places.height:
        raise ParseError(refused[REFUSED][0])
    return pl.concat(
        [_rows(places.filter(pl.col(REFUSED).is_null())), refused], how="diagonal"
    ).select("site", "valid_at", *VARIABLES, REFUSED)


def _rows(places: pl.DataFrame) -> pl.DataFrame:
    """Return one row per place and hour with at least one value."""
    hours = pl.col("values time").list.len()
    lists = {
        variable: pl.coalesce(
            f"values {variable}", pl.lit(None, dtype=pl.String).repeat_by(hours)
        ).alias(f"values {variable}")
        for variable in VARIABLES.values()
    }
    rows = places.with_columns(
        *lists.values(),
        **{
            column: pl.col(f"unit {variable}").replace_strict(
                _factors(column), default=None, return_dtype=pl.Float64
            )
            for column, variable in VARIABLES.items()
        },
    ).explode("values time", *(f"values {name}" for name in lists), empty_as_null=False)
    return rows.select(
        "site",
        valid_at=pl.coalesce(_unix(), *_local(rows)),
        **{
            column: number(pl.col(f"values {variable}")) * pl.col(column)
            for column, variable in VARIABLES.items()
        },
    ).filter(pl.any_horizontal(pl.col(*VARIABLES).is_not_null()))


def _places(body: bytes) -> pl.DataFrame:
    """Return one row per place: its coordinates and zone, and the units and values of variables."""
    text = body.strip(b"\xef\xbb\xbf \r\n\t")
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
    several = text if text.startswith(b"[") else b"[" + text + b"]"
    places = decoded(several, pl.List(shape)).explode(empty_as_null=False).struct.unnest()
    if places.is_empty():
        raise ParseError("the reply has no place")
    return places.with_columns(
        pl.col("hourly_units").struct.rename_fields([f"unit {name}" for name in names]),
        pl.col("hourly").struct.rename_fields([f"values {name}" for name in names]),
        has_values=pl.col("hourly").is_not_null() & pl.col("hourly_units").is_not_null(),
    ).unnest("hourly_units", "hourly")


def _refused(places: pl.DataFrame) -> pl.Expr:
    """Return why a place is not read; null for the others."""
    values = [f"values {variable}" for variable in VARIABLES.values()]
    hours = pl.col("values time").list.len().fill_null(0)
    zones = [zone for zone in places["timezone"].drop_nulls().unique() if not _is_zone(zone)]
    units = [
        pl.when(
            pl.col(f"values {variable}").is_not_null()
            & ~pl.col(f"unit {variable}").is_in([*_factors(column)]).fill_null(value=False)
        ).then(
            pl.format(
                f"{variable} is in {{}}, not in one of {', '.join(_factors(column))}",
                pl.col(f"unit {variable}").fill_null("no unit"),
            )
        )
        for column, variable in VARIABLES.items()
    ]
    return pl.coalesce(
        pl.when(pl.col("reason").is_not_null()).then(pl.format("an error: {}", "reason")),
        pl.when(~pl.col("has_values")).then(pl.lit("no hourly values with their units")),
        pl.when(pl.all_horizontal(pl.col(values).is_null())).then(
            pl.lit(f"none of {', '.join(VARIABLES.values())}")
        ),
        *units,
        pl.when(pl.any_horizontal(pl.col(values).list.len() != hours)).then(
            pl.lit("its columns are not of one length")
        ),
        pl.when(pl.col("timezone").is_in(zones) & (pl.col("unit time") == "iso8601")).then(
            pl.format("the time zone is {}", pl.col("timezone").str.slice(0, 40))
        ),
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _factors(column: str) -> dict[str, float]:
    """Return the units that a column may have, and the factor for each."""
    return _UNITS[max((suffix for suffix in _UNITS if column.endswith(suffix)), key=len)]


def _unix() -> pl.Expr:
    """Return times given as seconds since 1970, which are UTC whatever the zone is."""
    seconds = pl.col("values time").cast(pl.Int64, strict=False)
    of_our_time = pl.when(
        (pl.col("unit time") == "unixtime") & seconds.is_between(0, _LAST_SECOND)
    ).then(seconds)
    return pl.from_epoch(of_our_time, time_unit="s").dt.replace_time_zone("UTC").cast(INSTANT)


def _local(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return times given as local labels, one expression for each zone of the reply.

    The labels have no offset, and the reply has one offset for all of them. If that is not the
    zone's offset at that time, or if the label comes twice, the time is ambiguous.
    """
    label = pl.col("values time").str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False)
    offset = pl.duration(seconds=pl.col("utc_offset_seconds").cast(pl.Int64, strict=False))
    by_offset = (label - offset).dt.replace_time_zone("UTC")
    found: list[pl.Expr] = []
    for zone in filter(_is_zone, rows["timezone"].drop_nulls().unique()):
        by_zone = label.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
        same = by_zone.dt.convert_time_zone("UTC") == by_offset
        applies = (pl.col("unit time") == "iso8601") & (pl.col("timezone") == zone) & same
        found.append(pl.when(applies).then(by_offset))
    return found
