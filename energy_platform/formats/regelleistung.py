"""The workbooks of regelleistung.net: bids for control reserve, without their bidders' names.

Headers change between years, so a column is recognised by the letters of its header and its unit.
Products are named by Berlin's clock (`NEG_00_04`) or number the quarter-hours of Berlin's day
(`POS_096`).
"""

import re
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings import german_csv, workbook
from energy_platform.encodings.answer_forms import zip_form
from energy_platform.errors import ParseError
from energy_platform.market.delivery_periods import delivery_start
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.publication import DailyPublication, Where
from energy_platform.market.whole_list import WholeList

REGELLEISTUNG: Final = Provider(name="regelleistung.net")
URL: Final = (
    "https://www.regelleistung.net/apps/cpp-publisher/api/v1/download/tenders/anonymousresults"
)
ANSWER: Final = zip_form("xl/workbook.xml")
NOTHING_YET: Final = frozenset({HTTPStatus.NOT_FOUND})
"""The answer for a day without a list."""
LISTS: Final = (
    {"market": "CAPACITY", "productTypes": "FCR"},
    {"market": "CAPACITY", "productTypes": "aFRR"},
    {"market": "CAPACITY", "productTypes": "mFRR"},
    {"market": "ENERGY", "productTypes": "aFRR"},
    {"market": "ENERGY", "productTypes": "mFRR"},
)
"""The tenders whose bids are published; FCR is paid for its capacity alone."""

_ZONE: Final = "Europe/Berlin"

PUBLICATION: Final = DailyPublication(at=time(9, 30), zone=_ZONE)
KNOWABLE: Final = (Where("market", "CAPACITY", DailyPublication(at=time(10, 30), zone=_ZONE)),)
"""The last tender for capacity is mFRR's; no time is stated for the tenders for energy."""

DAY_LIST: Final = WholeList(
    name={
        "market": pl.col("market"),
        "reserve_type": pl.col("reserve_type"),
        "day": pl.col("delivery_start").dt.convert_time_zone(_ZONE).dt.strftime("%Y-%m-%d"),
    },
    asked={"market": "market", "reserve_type": "productTypes", "day": "date"},
)
"""A workbook has all bids of one tender for one day of Berlin."""

_QUARTER: Final = timedelta(minutes=15)
_EXCEL_DAY_0: Final = date(1899, 12, 30)
_BLOCK: Final = r"^(?:NEG|POS|NEGPOS)_(\d\d)_(\d\d)$"
_NUMBERED: Final = r"^(?:NEG|POS)_(\d{3})$"

_TEXTS: Final = {
    "date": ("DATEFROM", "DELIVERYDATE", "DATE"),
    "last_date": ("DATETO",),
    "product": ("PRODUCT", "PRODUCTNAME"),
    "reserve_type": ("TYPEOFRESERVES",),
    "country": ("COUNTRY",),
    "payment_direction": ("ENERGYPRICEPAYMENTDIRECTION",),
    "note": ("NOTE",),
}
_PRICES: Final = {
    "capacity_price_eur_per_mw": ("CAPACITYPRICE EUR/MW", "OFFEREDCAPACITYPRICE EUR/MW"),
    "capacity_price_eur_per_mw_per_h": ("CAPACITYPRICE EUR/MW/H", "OFFEREDCAPACITYPRICE EUR/MW/H"),
    "energy_price_eur_per_mwh": ("ENERGYPRICE EUR/MWH", "OFFEREDENERGYPRICE EUR/MWH"),
}
_CAPACITIES: Final = {
    "offered_mw": ("OFFEREDCAPACITY MW",),
    "allocated_mw": ("ALLOCATEDCAPACITY MW",),
}


def days(start: datetime, end: datetime) -> list[date]:
    """Return the days of Berlin that [start, end] touches."""
    first, last = (at.astimezone(ZoneInfo(_ZONE)).date() for at in (start, end))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def bids(body: bytes, *, market: str, reserve_type: str) -> pl.DataFrame:
    """Return one row per bid; bids have no names, so `bid_rank` is the place within the product.

    A date or product that makes no delivery period gives a null `delivery_start`. A malformed
    number is NaN, and does not change the ranks of the other bids.

    Args:
        body: The workbook.
        market: The tender, `CAPACITY` or `ENERGY`; a workbook whose prices are of one market says
            it itself.
        reserve_type: The kind of reserve, if the workbook doesn't name it.

    Raises:
        ParseError: The body is no workbook, or none of its sheets is a list of bids.
    """
    found = [one for sheet in workbook.sheets(body) if (one := _columns(sheet)) is not None]
    if not found:
        raise ParseError(
            "no sheet has columns for a date, a product, a price in a known unit and a capacity"
        )
    day = _date("date")
    one_day = pl.col("last_date").is_null() | (_date("last_date") == day)
    # A bid whose product can't be read counts in the product of the bids around it.
    listed = [
        pl.when(pl.col("delivery_start").is_not_null()).then(name).forward_fill().backward_fill()
        for name in ("product", "delivery_start")
    ]
    return (
        pl.concat(found)
        .filter(~pl.all_horizontal(pl.all().is_null()))
        .with_columns(
            *(_number(name) for name in (*_PRICES, *_CAPACITIES)),
            *_period(pl.when(one_day).then(day), pl.col("product")),
            market=_market(market),
            reserve_type=pl.col("reserve_type").fill_null(reserve_type),
        )
        .with_columns(
            bid_rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(
                "market", "reserve_type", *listed
            )
        )
        .drop("date", "last_date")
    )


def _market(asked: str) -> pl.Expr:
    of_energy = pl.col("energy_price_eur_per_mwh").is_not_null()
    of_capacity = pl.any_horizontal(pl.col("^capacity_price_.*$").is_not_null())
    return (
        pl.when(of_energy & ~of_capacity)
        .then(pl.lit("ENERGY"))
        .when(of_capacity & ~of_energy)
        .then(pl.lit("CAPACITY"))
        .otherwise(pl.lit(asked))
    )


def _columns(sheet: pl.DataFrame) -> pl.DataFrame | None:
    """Return the columns that are read, null if a sheet lacks one; None if it lists no bids."""
    known = {_letters(name): name for name in reversed(sheet.columns)}
    wanted = {**_TEXTS, **_PRICES, **_CAPACITIES}
    names = {
        column: next((known[one] for one in possible if one in known), None)
        for column, possible in wanted.items()
    }
    if not (names["date"] and names["product"]):
        return None
    if not all(any(names[column] for column in group) for group in (_PRICES, _CAPACITIES)):
        return None
    return sheet.select(
        (pl.lit(None, pl.String) if name is None else _text(name)).alias(column)
        for column, name in names.items()
    )


def _letters(header: str) -> str:
    """Return a header in capitals without its punctuation, followed by the unit in brackets."""
    name, _, unit = header.upper().partition("[")
    letters, unit = re.sub(r"[^A-Z]", "", name), re.sub(r"[^A-Z/]", "", unit)
    return f"{letters} {unit}".strip()


def _text(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def _number(name: str) -> pl.Expr:
    """Return a cell's number: Excel's own, or a text with a decimal comma."""
    text = pl.col(name)
    number = pl.coalesce(text.cast(pl.Float64, strict=False), german_csv.number(text))
    return pl.when(text.is_not_null()).then(number).alias(name)


def _date(name: str) -> pl.Expr:
    """Return a cell's date: a real one, Excel's number of it, or a text."""
    text = pl.col(name)
    serial = text.str.extract(r"^(\d{5})(?:\.0+)?$").cast(pl.Int64)
    return pl.coalesce(
        text.str.extract(r"^(\d{4}-\d\d-\d\d)(?:[ T]00:00:00.*)?$").str.to_date(strict=False),
        text.str.to_date("%d.%m.%Y", strict=False),
        pl.lit(_EXCEL_DAY_0) + pl.duration(days=serial),
    )


def _period(day: pl.Expr, product: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the delivery period of a product on a day of Berlin; a block has 3 to 5 hours."""
    first, last = (
        _on_the_clock(day, product.str.extract(_BLOCK, part).cast(pl.Int64)) for part in (1, 2)
    )
    number = product.str.extract(_NUMBERED).cast(pl.Int64)
    quarter = delivery_start(day, number, pl.lit(_QUARTER), _ZONE)
    return (
        pl.coalesce(first, quarter).cast(INSTANT).alias("delivery_start"),
        pl.coalesce(last, quarter + _QUARTER).cast(INSTANT).alias("delivery_end"),
    )


def _on_the_clock(day: pl.Expr, hour: pl.Expr) -> pl.Expr:
    """Return a full hour of a local day; null for an hour that comes twice or never."""
    local = day.cast(pl.Datetime("us")) + pl.duration(hours=hour)
    return local.dt.replace_time_zone(
        _ZONE, ambiguous="null", non_existent="null"
    ).dt.convert_time_zone("UTC")
