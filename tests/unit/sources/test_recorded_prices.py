"""Recorded replies of Energy-Charts and OTE, where they are at hand."""

from datetime import UTC, datetime

import polars as pl
import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.sources.energy_charts_price import ENERGY_CHARTS_PRICE
from energy_platform.sources.ote_day_ahead_price import OTE_DAY_AHEAD_PRICE
from energy_platform.sources.ote_intraday_price import OTE_INTRADAY_PRICE
from tests.recorded.manifest import FOLDER, needs_recorded

PAYLOADS = FOLDER

pytestmark = needs_recorded


def checked(source: MarketSource, *path: str) -> CheckedRows:
    body = PAYLOADS.joinpath(*path).read_bytes()
    message = RawMessage(
        body=body, received_at=datetime.now(UTC), context=source.context, landing_offset=0
    )
    return check_messages(source, [message])


@pytest.mark.parametrize(
    ("source", "path", "rows", "first"),
    [
        (
            ENERGY_CHARTS_PRICE,
            ("energy_charts", "price_DE-LU.json"),
            48,
            datetime(2024, 12, 9, 23, tzinfo=UTC),
        ),
        (
            OTE_DAY_AHEAD_PRICE,
            ("ote", "ote-electricity-2025-10-22.xml"),
            288,
            datetime(2025, 10, 20, 22, tzinfo=UTC),
        ),
        (
            OTE_DAY_AHEAD_PRICE,
            ("ote", "ote-electricity-2025-10-22-today.xml"),
            192,
            datetime(2025, 10, 20, 22, tzinfo=UTC),
        ),
    ],
)
def test_every_row_of_a_recorded_reply_is_read(
    source: MarketSource, path: tuple[str, ...], rows: int, first: datetime
) -> None:
    result = checked(source, *path)
    assert result.quarantined.is_empty()
    assert result.rows.height == rows
    assert result.rows["delivery_start"].min() == first
    follows = pl.col("delivery_end") == pl.col("delivery_start").shift(-1)
    assert result.rows.select(follows.drop_nulls().all()).item(), "periods follow each other"


@pytest.mark.parametrize("source", [OTE_DAY_AHEAD_PRICE, OTE_INTRADAY_PRICE])
def test_the_gas_market_is_no_electricity_market(source: MarketSource) -> None:
    result = checked(source, "ote", "ote-gas-2025-10-22.xml")
    assert result.rows.is_empty()
    (reason,) = result.quarantined["reason"]
    assert reason.startswith("<GetImPriceGResponse> does not answer")
