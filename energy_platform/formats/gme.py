"""GME's daily price files: XML as a .NET DataSet writes it, one element per bidding zone.

An inline schema comes first. It lists more zones than the rows have, and they change over the
years, so it is not read. A row is `Prezzi` (hours, counted by `Ora`) or `Prezzi15` (periods of its
`Granularity`, counted by `Periodo`); its other elements are zones, and a zone without a price has
no element. Numbers have a decimal comma, and may have a dot above a thousand.
"""

from typing import Final

import polars as pl
from lxml import etree

from energy_platform.encodings.answer_forms import is_of, xml_form
from energy_platform.encodings.xml_document import only_text, read_xml
from energy_platform.errors import ParseError
from energy_platform.market.delivery_periods import delivery_start
from energy_platform.market.provider import Provider

GME: Final = Provider(name="GME")

ANSWER: Final = xml_form("NewDataSet")

_ZONE: Final = "Europe/Rome"
_ROW_GRANULARITIES: Final = {"Prezzi": "PT60", "Prezzi15": "PT15"}
_ABOUT: Final = ("Data", "Mercato", "Ora", "Periodo", "Granularity")
_NUMBER: Final = r"^-?(\d+|\d{1,3}(\.\d{3})+,\d+|\d+,\d+)$"
_NOT_A_NUMBER: Final = float("nan")


def prices(payload: bytes) -> pl.DataFrame:
    """Read one file: a row per market, delivery period and zone that has a price.

    Columns: `delivery_start`, `delivery_end` (null if the day has no such period), `market` (e.g.
    `MGP`), `bidding_zone` (as GME writes it; `PUN` is the national reference price),
    `market_time_unit` (`PT15M`, `PT60M`), `price_eur_per_mwh` (NaN if it is malformed).

    Raises:
        ParseError: The body is not such a file, or has no price.
    """
    root = read_xml(payload)
    rows = [
        {"row_kind": kind, **_cells(row)} for kind in _ROW_GRANULARITIES for row in root.iter(kind)
    ]
    if not rows:
        raise ParseError(f"no {' or '.join(_ROW_GRANULARITIES)} rows below {root.tag}")
    about = dict.fromkeys(("row_kind", *_ABOUT), pl.String())
    zones = dict.fromkeys((name for row in rows for name in row if name not in about), pl.String())
    if not zones:
        raise ParseError("the rows have no zones")
    wide = pl.DataFrame(rows, schema={**about, **zones})
    granularity = pl.col("Granularity").fill_null(
        pl.col("row_kind").replace_strict(_ROW_GRANULARITIES)
    )
    minutes = granularity.str.extract(r"^PT(15|30|60)M?$").cast(pl.Int64)
    length = pl.duration(minutes=minutes)
    index = pl.coalesce("Periodo", "Ora").cast(pl.Int64, strict=False)
    day = pl.col("Data").str.to_date("%Y%m%d", strict=False)
    start = delivery_start(day, index, length, _ZONE)
    return (
        wide.with_columns(
            delivery_start=start,
            delivery_end=start + length,
            market=pl.col("Mercato"),
            market_time_unit=pl.format("PT{}M", minutes),
        )
        .unpivot(
            on=list(zones),
            index=["delivery_start", "delivery_end", "market", "market_time_unit"],
            variable_name="bidding_zone",
            value_name="price",
        )
        .drop_nulls("price")
        .with_columns(price_eur_per_mwh=_number(pl.col("price")))
        .drop("price")
    )


def is_whole(payload: bytes) -> bool:
    """Return whether a file is one of GME's and ends with its root element."""
    if not is_of(ANSWER, payload):
        return False
    try:
        read_xml(payload)
    except ParseError:
        return False
    return True


def _cells(row: etree._Element) -> dict[str, str]:
    found: dict[str, list[etree._Element]] = {}
    for cell in row:
        found.setdefault(etree.QName(cell).localname, []).append(cell)
    texts = {name: (only_text(cells) or "").strip() for name, cells in found.items()}
    return {name: text for name, text in texts.items() if text}


def _number(text: pl.Expr) -> pl.Expr:
    """Read a number with a decimal comma; `1.5` is ambiguous, and so not a number."""
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    read = pl.when(text.str.contains(_NUMBER)).then(plain.cast(pl.Float64, strict=False))
    return read.fill_null(_NOT_A_NUMBER)
