"""A made-up market source, for tests of what every source goes through."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import pandera.polars as pa
import polars as pl
from hypothesis import strategies as st

from energy_platform.errors import ParseError
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER_HOUR = timedelta(minutes=15)


@dataclass(frozen=True)
class NoFeed:
    """A feed that brings nothing."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST

    async def run(self, session: FeedSession) -> None:
        raise NotImplementedError


class ExampleRows(DeliveryRows):
    """A price per bidding zone and quarter-hour."""

    bidding_zone: str = pa.Field(isin=["CZ", "DE-LU"], description="Bidding zone")
    price_eur_per_mwh: float = pa.Field(ge=-500, le=5000, nullable=True, description="Price")


@each_message
def parse_example(message: RawMessage) -> pl.DataFrame:
    """Read a JSON array of {zone, hour, price}."""
    rows = json.loads(message.body)
    if not isinstance(rows, list):
        raise ParseError("not a JSON array")
    start = pl.lit(NOON, dtype=INSTANT) + pl.duration(minutes=15 * pl.col("quarter"))
    return pl.DataFrame(
        rows, schema={"zone": pl.String, "quarter": pl.Int64, "price": pl.Float64}
    ).select(
        delivery_start=start,
        delivery_end=start + QUARTER_HOUR,
        bidding_zone="zone",
        price_eur_per_mwh="price",
    )


EXAMPLE = MarketSource(
    name="example_price",
    provider=Provider(name="Example"),
    group=MarketGroup.AUCTIONS,
    description="Prices of no market.",
    feed=NoFeed(),
    parse=parse_example,
    rows=ExampleRows,
    key=("bidding_zone", "delivery_start"),
    event_time="delivery_start",
    expected_lag=timedelta(minutes=5),
    terms="none",
)


def example_message(
    rows: Iterable[tuple[str, int, float | None]] | bytes, *, offset: int = 0, minutes: int = 0
) -> RawMessage:
    """Return a message of (zone, quarter, price) rows, or of any bytes."""
    body = (
        rows
        if isinstance(rows, bytes)
        else json.dumps([{"zone": z, "quarter": q, "price": p} for z, q, p in rows]).encode()
    )
    return RawMessage(
        body=body, received_at=NOON + timedelta(minutes=minutes), landing_offset=offset
    )


def quote(price: float | None, *, quarter: int = 0, minutes: int = 0) -> RawMessage:
    """Return a message with one price of one quarter-hour."""
    return example_message([("CZ", quarter, price)], minutes=minutes)


def prices(frame: pl.DataFrame) -> Sequence[float | None]:
    """Return the prices of a frame of example rows, in order."""
    return frame["price_eur_per_mwh"].to_list()


GARBAGE = b"<html>"
BAD_ROW = ("CZ", 7, 9_999.0)


def bodies_of_examples(
    *, quarters: int
) -> st.SearchStrategy[bytes | list[tuple[str, int, float | None]]]:
    """Return a strategy for bodies of messages: garbage, or quotes of so many quarter-hours."""
    quotes = st.tuples(
        st.sampled_from(["CZ", "DE-LU", "XX"]),
        st.integers(0, quarters - 1),
        st.sampled_from([1.0, 2.0, None]),
    )
    return st.one_of(st.just(GARBAGE), st.lists(quotes, max_size=4))


def an_eventful_log(messages: int) -> list[RawMessage]:
    """Return revisions, repetitions, bad rows and garbage, the same ones each time."""
    chance = random.Random(7)
    return [
        example_message(GARBAGE)
        if chance.random() < 0.15
        else example_message(
            [
                BAD_ROW
                if chance.random() < 0.1
                else (chance.choice(["CZ", "DE-LU"]), chance.randrange(4), chance.randrange(3))
                for _ in range(chance.randrange(6))
            ]
        )
        for _ in range(messages)
    ]


def parse_mended(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read the example's messages after a fix: garbage becomes a price, high prices are lower."""
    read = [
        replace(message, body=b'[{"zone": "CZ", "quarter": 0, "price": 0}]')
        if message.body == GARBAGE
        else message
        for message in messages
    ]
    price = pl.col("price_eur_per_mwh")
    lower = pl.when(price > 5000).then(price - 5000).otherwise(price)
    return parse_example(read).with_columns(lower)


MENDED = replace(EXAMPLE, parse=parse_mended)
"""The example source after a fix of its parser, with which nothing fails any more."""
