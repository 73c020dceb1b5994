"""The CSV replies of netztransparenz.de, in all the layouts in which they state an interval.

    Datum;von;Zeitzone von;bis;Zeitzone bis;50Hertz (MW);...               2026-03-29
    Datum;Zeitzone;von;bis;Datenkategorie;Datentyp;Einheit;Deutschland;... 29.03.2026
    BEGINN_DATUM;BEGINN_UHRZEIT;ZEITZONE_VON;ENDE_DATUM;ENDE_UHRZEIT;...   29.03.2026

Each source knows what a column means to its market.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Final, Literal, Self

import polars as pl

from energy_platform.encodings import german_csv
from energy_platform.encodings.answer_forms import table_form
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED

NETZTRANSPARENZ: Final = Provider(
    name="netztransparenz.de", rates=(Rate(2), Rate(60, timedelta(minutes=1)))
)
_API: Final = "https://ds.netztransparenz.de/api/v1/data"
TOKEN_URL: Final = "https://identity.netztransparenz.de/users/connect/token"  # noqa: S105

ANSWER: Final = table_form("Datum", "Datum von", "BEGINN_DATUM")
NOTHING_YET: Final = frozenset({HTTPStatus.NOT_FOUND})
"""The answer to a question for a product that has no values so far."""

_OPERATIONAL: Final = (
    "NrvSaldo/NRVSaldo/Betrieblich",
    "NrvSaldo/RZSaldo/Betrieblich",
    "NrvSaldo/AepSchaetzer/Betrieblich",
)
_QUALITY_ASSURED: Final = (
    "NrvSaldo/NRVSaldo/Qualitaetsgesichert",
    "NrvSaldo/reBAP/Qualitaetsgesichert",
)
_NOTHING_ASKED: Final = "//"
QUALITIES: Final = {"betrieblich": "operational", "qualitaetsgesichert": "quality_assured"}
_PRODUCTS: Final = ("NRV-Saldo", "RZ-Saldo", "reBAP", "AEP-Schätzer")
_SERIES: Final = (
    *("Deutschland", "50Hertz", "Amprion", "TenneT TSO", "TransnetBW"),
    *("reBAP unterdeckt", "reBAP ueberdeckt", "AEP-Schätzer"),
)
VOCABULARIES: Final = {"product": _PRODUCTS, "series": _SERIES}
_ASSURED_AFTER: Final = timedelta(weeks=9)
"""A month's values are quality-assured at about the end of the following month."""

_DATES: Final = ("%Y-%m-%d", "%d.%m.%Y")
_UTC_OFFSET_HOURS: Final = {"UTC": 0, "GMT": 0, "MEZ": 1, "CET": 1, "MESZ": 2, "CEST": 2}
_MISSING: Final = ("", "N.A.", "N.E.")
_ABOUT: Final = {"category": "Datenkategorie", "data_type": "Datentyp", "unit": "Einheit"}
_FLAG: Final = re.compile(r"^$|^Status$|Abweichung$|_duplicated_\d+$", re.IGNORECASE)
"""Columns that comment on the values beside them, and are not values."""
_OWN_UNITS: Final = {"AEP Knappheitskomponente": "EUR/MWh"}
"""Columns in another unit than the one that their line names."""
_NAME_AND_UNIT: Final = r"^(.*\S)\s*\(((?:EUR/)?MWh?)\)$"
_DAY: Final = timedelta(days=1)
_ZONE: Final = "Europe/Berlin"
_FOLDS: Final[tuple[Literal["earliest", "latest"], ...]] = ("earliest", "latest")


@dataclass(frozen=True, slots=True)
class _Moment:
    """The columns that hold a date, a time of day and its zone."""

    date: str
    time: str
    zone: str

    @classmethod
    def found(
        cls, table: pl.DataFrame, dates: Sequence[str], times: Sequence[str], zones: Sequence[str]
    ) -> Self:
        """Return, for each of the three, the first possible name that a table has."""
        names = []
        for possible in (dates, times, zones):
            there = [name for name in possible if name in table.columns]
            if not there:
                columns = ", ".join(table.columns)[:120]
                raise ParseError(f"no column {' or '.join(possible)}; there are: {columns}")
            names.append(there[0])
        return cls(*names)

    @property
    def columns(self) -> set[str]:
        return {self.date, self.time, self.zone}

    def local(self) -> pl.Expr:
        """Return the date and time of day as they are written; null if either is not known."""
        text = pl.col(self.date).str.strip_chars()
        day = pl.coalesce(text.str.to_date(form, strict=False) for form in _DATES)
        clock = pl.col(self.time).str.strip_chars().str.extract_groups(r"^(\d\d):(\d\d)(?::00)?$")
        hours, minutes = (clock.struct.field(part).cast(pl.Int64) for part in ("1", "2"))
        valid = (hours * 60 + minutes).is_between(0, 24 * 60) & (minutes < 60)  # noqa: PLR2004 (a clock)
        since = pl.duration(hours=hours, minutes=minutes)
        return pl.when(valid).then(day.cast(pl.Datetime("us")) + since)

    def offset_hours(self) -> pl.Expr:
        """Return how far the zone is ahead of UTC; null if it is not known for certain."""
        zone = pl.col(self.zone).str.strip_chars().str.to_uppercase()
        return zone.replace_strict(_UTC_OFFSET_HOURS, default=None, return_dtype=pl.Int64)


def _instant(local: pl.Expr, offset_hours: pl.Expr) -> pl.Expr:
    """Return the UTC instant of a local time; null if it is not known for certain."""
    return (local - pl.duration(hours=offset_hours)).dt.replace_time_zone("UTC")


def _instant_after(start: pl.Expr, local: pl.Expr, offset_hours: pl.Expr) -> pl.Expr:
    """Return the same for the end of an interval whose start's zone is the only one told.

    The local clock may change in between, and then shows the time after the change.
    """
    said = _instant(local, offset_hours)
    shown = [
        local.dt.replace_time_zone(_ZONE, ambiguous=fold, non_existent="null") for fold in _FOLDS
    ]
    utc = [at.dt.convert_time_zone("UTC") for at in shown]
    changed = pl.min_horizontal(pl.when(offset_hours > 0, at > start).then(at) for at in utc)
    return (
        pl.when(said > start)
        .then(pl.min_horizontal(said, changed))
        .otherwise(pl.coalesce(changed, said))
    )


def questions(start: datetime, end: datetime) -> Iterator[tuple[str, str]]:
    """Yield the products to ask for, and the addresses for [start, end].

    Operational values are asked for in whole days. Quality-assured values are of the weeks before,
    and asked for in whole months, so that a body that seldom changes is recognised as the same.
    """
    midnight = datetime.combine(end.date(), time(), UTC) + _DAY
    for product in _OPERATIONAL:
        yield product, _address(product, datetime.combine(start.date(), time(), UTC), midnight)
    month = (start - _ASSURED_AFTER).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month < midnight:
        following = (month + 31 * _DAY).replace(day=1)
        for product in _QUALITY_ASSURED:
            yield product, _address(product, month, following)
        month = following


def series(body: bytes, *, units: Sequence[str]) -> pl.DataFrame:
    """Return one row per value: `delivery_start`, `delivery_end`, `series`, `value` and its `unit`.

    The other columns are `category` and `data_type`, null if the layout has none. A series is named
    by its column, without the unit. A missing value (`N.A.`, `N.E.` or empty) is no row. A
    malformed number is NaN. A moment that can't be told is null; so is one in a zone that is
    neither UTC nor says whether summer time holds. `refused` says why a line or a value is not
    read: the line has too few or too many fields, or the value is in another unit.

    Raises:
        ParseError: The body is no table in one of the layouts, or all values are in another unit.
    """
    table = german_csv.text_table(body)
    start = _Moment.found(
        table,
        ("Datum", "Datum von", "BEGINN_DATUM"),
        ("von", "Uhrzeit von", "BEGINN_UHRZEIT"),
        ("Zeitzone", "Zeitzone von", "ZEITZONE_VON"),
    )
    end = _Moment.found(
        table,
        ("Datum bis", "ENDE_DATUM", start.date),
        ("bis", "Uhrzeit bis", "ENDE_UHRZEIT"),
        ("Zeitzone bis", "ZEITZONE_BIS", start.zone),
    )
    edges = {"start": start, "end": end}
    not_values = start.columns | end.columns | {*_ABOUT.values(), REFUSED}
    values = [name for name in table.columns if name not in not_values and not _FLAG.search(name)]
    if not values:
        raise ParseError(f"no column holds values: {', '.join(table.columns)[:120]}")
    # Step by step: one expression of it all takes polars ten times as long to plan as to work out.
    placed = (
        table.select(
            *values,
            *(_about(table, name) for name in _ABOUT),
            REFUSED,
            **{f"{edge}_local": each.local() for edge, each in edges.items()},
            **{f"{edge}_offset": each.offset_hours() for edge, each in edges.items()},
        )
        .with_columns(delivery_start=_instant(*_written("start")))
        .with_columns(
            delivery_end=_instant(*_written("end"))
            if end.zone != start.zone
            else _instant_after(pl.col("delivery_start"), *_written("end"))
        )
    )
    if start.date == end.date:
        placed = placed.with_columns(delivery_end=_end_after_start())
    refused = placed.filter(pl.col(REFUSED).is_not_null())
    times = ("delivery_start", "delivery_end")
    name = pl.col("name")
    found = (
        placed.filter(pl.col(REFUSED).is_null())
        .unpivot(values, index=[*times, *_ABOUT], variable_name="name", value_name="text")
        .filter(_is_stated(pl.col("text")))
        .select(
            pl.col(*times).cast(INSTANT),
            "category",
            "data_type",
            series=pl.coalesce(name.str.extract(_NAME_AND_UNIT, 1), name),
            value=german_csv.number(pl.col("text")),
            unit=pl.coalesce(
                name.str.extract(_NAME_AND_UNIT, 2),
                name.replace_strict(_OWN_UNITS, default=None, return_dtype=pl.String),
                "unit",
            ),
        )
    )
    other = pl.col("unit").fill_null("no unit")
    others = found.filter(~other.is_in(units))["unit"]
    if len(others) and len(others) == found.height:
        raise ParseError(f"values are in {others[0]!r}, not in {' or '.join(units)}")
    reason = pl.format(f"a value in {{}}, not in {' or '.join(units)}", other)
    found = found.with_columns(pl.when(~other.is_in(units)).then(reason).alias(REFUSED))
    return pl.concat([found, refused.select(*times, *_ABOUT, REFUSED)], how="diagonal")


def told_series(message: RawMessage, *, units: Sequence[str]) -> pl.DataFrame:
    """Return `series` with `product` and `quality`, from the reply or else from the question.

    Raises:
        ContextMissingError: Neither gives it.
        ParseError: As for `series`, or the question names no known product.
    """
    found = series(message.body, units=units)
    unsaid = found.filter(pl.col(REFUSED).is_null()).select("category", "data_type").null_count()
    asked = message.asked("product") if sum(unsaid.row(0)) else _NOTHING_ASKED
    if asked.count("/") < _NOTHING_ASKED.count("/"):
        raise ParseError(f"the product is {asked!r}, not like {_OPERATIONAL[0]}")
    *_, product, quality = asked.split("/")
    said = pl.col("data_type").fill_null(quality).str.to_lowercase().str.replace("ä", "ae")
    return found.with_columns(
        product=pl.col("category").fill_null(product), quality=said.replace(QUALITIES)
    )


def _address(product: str, start: datetime, end: datetime) -> str:
    return f"{_API}/{product}/{start:%Y-%m-%dT%H:%M:%S}/{end:%Y-%m-%dT%H:%M:%S}"


def _about(table: pl.DataFrame, name: str) -> pl.Expr:
    column = _ABOUT[name]
    text = pl.col(column).str.strip_chars() if column in table.columns else pl.lit(None, pl.String)
    return text.alias(name)


def _written(edge: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(f"{edge}_local"), pl.col(f"{edge}_offset")


def _end_after_start() -> pl.Expr:
    """Return the end of each interval; with one date for both, 00:00 is the next day's."""
    end = pl.col("delivery_end")
    return pl.when(end <= pl.col("delivery_start")).then(end + _DAY).otherwise(end)


def _is_stated(text: pl.Expr) -> pl.Expr:
    return ~text.str.strip_chars().str.to_uppercase().is_in(_MISSING)
