"""DWD's Climate Data Center: station observations as ZIP archives with one `produkt_*.txt`.

The text has a column per measured value, `;` between columns, padding, -999 for missing, and `eor`
at the end of each row. A product is recognised by its columns, the same in the tiers `now`,
`recent` and `historical`; a later tier repeats the earlier one with a higher quality level (QN).

MESS_DATUM is UTC and marks the end of the interval. In 10-minute products it is CET (UTC+1 all
year) for times before 2000, according to DWD's description; those are converted here.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from energy_platform.encodings.answer_forms import is_of, zip_form
from energy_platform.encodings.zip_archive import only_member
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

DWD: Final = Provider(name="DWD")

is_whole: Final = partial(is_of, zip_form("produkt_*.txt"))
"""Returns whether a file is a whole archive with a product in it."""

_ABOUT: Final = ("STATIONS_ID", "MESS_DATUM")
_END_OF_ROW: Final = "eor"
_MISSING: Final = -999.0
_TEN_MINUTE_LABEL: Final = len("YYYYMMDDHHMM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One kind of file.

    Attributes:
        name: DWD's folder, e.g. `10_minutes/wind`.
        values: DWD's columns, in order, and the columns of the table for them.
    """

    name: str
    values: Mapping[str, str]


WIND_PRODUCTS: Final = (
    Product(
        name="10_minutes/wind",
        values={"FF_10": "wind_speed_m_per_s", "DD_10": "wind_direction_deg"},
    ),
    Product(name="hourly/wind", values={"F": "wind_speed_m_per_s", "D": "wind_direction_deg"}),
    Product(
        name="10_minutes/extreme_wind",
        values={
            "FX_10": "gust_speed_m_per_s",
            "FNX_10": "lowest_mean_speed_m_per_s",
            "FMX_10": "highest_mean_speed_m_per_s",
            "DX_10": "gust_direction_deg",
        },
    ),
)
"""DWD's wind measurements: means over ten minutes and an hour, and extremes of ten minutes."""


def observations(messages: Sequence[RawMessage], products: Sequence[Product]) -> pl.DataFrame:
    """Read archives: a row per station and time, with the value columns of all `products`.

    Columns: `landing_offset` of the archive, `station_id` (five digits), `observed_at`, `product`,
    `quality_level`, then the values as floats; null for DWD's missing values, NaN for a malformed
    number, which no range check lets pass. `refused` says that a row was cut off; it is null for
    all others.

    Raises:
        ParseError: A body is not an archive of one of the products.
    """
    alike: dict[bytes, dict[int, bytes]] = {}
    for message in messages:
        text = only_member(message.body, "produkt_*.txt").lstrip(b"\r\n")
        head, _, rows = text.partition(b"\n")
        alike.setdefault(head, {})[message.landing_offset] = rows
    found = [_rows(_table(head, texts), products) for head, texts in alike.items()]
    return pl.concat(found).sort("landing_offset", maintain_order=True)


def _table(head: bytes, texts: Mapping[int, bytes]) -> pl.DataFrame:
    """Return the rows of archives with the same head, by landing offset, in one pass.

    Each line is a row. Archives for which that does not hold are read one by one.
    """
    lines = [text if text.endswith(b"\n") or not text else text + b"\n" for text in texts.values()]
    heights = [text.count(b"\n") for text in lines]
    table = _read(b"\n".join([head, b"".join(lines)]))
    if table.height == sum(heights):
        offsets = pl.Series("landing_offset", [*texts], pl.Int64).repeat_by(pl.Series(heights))
        return table.hstack([offsets.explode(empty_as_null=False)])
    if len(texts) > 1:
        return pl.concat(_table(head, {offset: text}) for offset, text in texts.items())
    [offset] = texts
    return table.with_columns(pl.lit(offset, pl.Int64).alias("landing_offset"))


def _rows(table: pl.DataFrame, products: Sequence[Product]) -> pl.DataFrame:
    """Return the rows of archives with the same columns."""
    columns = table.columns[:-1]
    quality, *measured = (name for name in columns if name not in (*_ABOUT, _END_OF_ROW))
    product = _product(measured, products)
    every_value = dict.fromkeys(name for one in products for name in one.values.values())
    present = {ours: _number(dwd) for dwd, ours in product.values.items()}
    return table.with_columns(pl.col(columns).str.strip_chars()).select(
        "landing_offset",
        station_id=pl.col("STATIONS_ID").str.zfill(5),
        observed_at=_instant("MESS_DATUM"),
        product=pl.lit(product.name),
        quality_level=pl.col(quality).cast(pl.Int64, strict=False),
        **{name: present.get(name, pl.lit(None, dtype=pl.Float64)) for name in every_value},
        refused=pl.when(pl.col(_END_OF_ROW).ne_missing(_END_OF_ROW)).then(
            pl.lit("the row does not end with eor")
        ),
    )


def _read(text: bytes) -> pl.DataFrame:
    """Return a text's columns as strings, with their padding."""
    try:
        read = pl.read_csv(
            io.BytesIO(text),
            separator=";",
            quote_char=None,
            infer_schema=False,
            encoding="iso-8859-1",
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(f"produkt text: {str(error).splitlines()[0]}") from error
    # To rename by an expression costs as much as to read.
    read.columns = [name.strip() for name in read.columns]
    if not {*_ABOUT, _END_OF_ROW} < set(read.columns):
        raise ParseError(f"columns {', '.join(read.columns)} are not those of an observation")
    return read


def _product(measured: Sequence[str], products: Sequence[Product]) -> Product:
    for product in products:
        if list(product.values) == list(measured):
            return product
    known = "; ".join(f"{one.name} ({', '.join(one.values)})" for one in products)
    raise ParseError(f"columns {', '.join(measured)} are none of the known products: {known}")


def _instant(column: str) -> pl.Expr:
    """Read instants with hours and tens of minutes; a malformed one becomes null."""
    label, ten_minutes = pl.col(column), pl.col(column).str.len_bytes() == _TEN_MINUTE_LABEL
    full = pl.when(ten_minutes).then(label).otherwise(label + "00")
    instant = full.str.to_datetime("%Y%m%d%H%M", time_unit="us", strict=False)
    in_cet = ten_minutes & (instant.dt.year() < 2000)  # noqa: PLR2004 (the year that DWD changed)
    utc = pl.when(in_cet).then(instant.dt.offset_by("-1h")).otherwise(instant)
    return utc.dt.replace_time_zone("UTC").cast(INSTANT)


def _number(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64, strict=False).fill_null(float("nan"))
    return pl.when(value != _MISSING).then(value)
