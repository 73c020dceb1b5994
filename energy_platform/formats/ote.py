"""OTE's public data service: the requests that ask for market days, and the items of its replies.

An item is placed by date, period number and resolution; its label (`PeriodInterval`) comes twice on
the day on which clocks go back, and is not read. Each source knows which operation it calls, and
what its columns mean.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from lxml import etree

from energy_platform.encodings.soap_envelope import read_envelope
from energy_platform.encodings.xml_document import only_text
from energy_platform.errors import ParseError
from energy_platform.market.delivery_periods import delivery_start
from energy_platform.market.provider import Provider

OTE: Final = Provider(name="OTE")
SERVICE: Final = "https://www.ote-cr.cz/pw-data/services/PublicDataService"
NAMESPACE: Final = "http://www.ote-cr.cz/schema/service/public"
MARKET_TIME: Final = "Europe/Prague"
MOST_DAYS: Final = 31
"""The service silently answers no more days than this from `StartDate`."""

_RESOLUTIONS: Final = {"PT15M": timedelta(minutes=15), "PT60M": timedelta(hours=1)}
_PLACING: Final = ("Date", "PeriodResolution", "PeriodIndex")


def market_days(start: datetime, end: datetime) -> list[tuple[date, date]]:
    """Return the market days from `start` to `end`, both included, in answerable portions."""
    zone = ZoneInfo(MARKET_TIME)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    part = timedelta(days=MOST_DAYS)
    count = (last - first) // part + 1
    starts = [first + number * part for number in range(count)]
    return [(day, min(day + part - timedelta(days=1), last)) for day in starts]


def items(
    reply: bytes, operation: str, *, numbers: Mapping[str, str], texts: Mapping[str, str]
) -> pl.DataFrame:
    """Return one row per item of a reply: `delivery_start`, `delivery_end`, and the wanted columns.

    A malformed number becomes NaN, which no range check lets through; an absent element becomes
    null. An item whose date, resolution or period number makes no delivery period has no
    `delivery_start`.

    Args:
        reply: The SOAP envelope.
        operation: The operation that it must answer.
        numbers: Columns to make, and the elements that hold their numbers.
        texts: Columns to make, and the elements that hold their texts.

    Raises:
        ParseError: The reply is a fault, no SOAP, or answers another operation.
    """
    answer = read_envelope(reply)
    if answer.tag != f"{{{NAMESPACE}}}{operation}Response":
        raise ParseError(f"<{etree.QName(answer).localname}> does not answer {operation}")
    result = answer.find(f"{{{NAMESPACE}}}Result")
    if result is None:
        raise ParseError(f"the answer to {operation} has no Result")
    elements = (*_PLACING, *numbers.values(), *texts.values())
    found = [
        [only_text(item.findall(f"{{{NAMESPACE}}}{element}")) for element in elements]
        for item in result.iterchildren(f"{{{NAMESPACE}}}Item")
    ]
    frame = pl.DataFrame(found, schema=dict.fromkeys(elements, pl.String), orient="row")
    resolution = pl.col("PeriodResolution").replace_strict(
        _RESOLUTIONS, default=None, return_dtype=pl.Duration("us")
    )
    start = delivery_start(
        pl.col("Date").str.to_date("%Y-%m-%d", strict=False),
        pl.col("PeriodIndex").cast(pl.Int64, strict=False),
        resolution,
        MARKET_TIME,
    )
    return frame.select(
        delivery_start=start,
        delivery_end=start + resolution,
        **{column: _number(element) for column, element in numbers.items()},
        **{column: pl.col(element) for column, element in texts.items()},
    )


def _number(element: str) -> pl.Expr:
    text = pl.col(element)
    garbled = pl.when(text.is_not_null()).then(float("nan"))
    return pl.coalesce(text.cast(pl.Float64, strict=False), garbled)
