"""Histories of the German market that several signals are made of."""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.books.trades import index_prices
from energy_platform.errors import NeverStoredError
from energy_platform.signals.histories import SCHEMA, DerivedHistory, Reader, TableHistory

ZONE: Final = "Europe/Berlin"
AREA: Final = "DE-LU"
QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
_ID3: Final = timedelta(hours=3)

DAY_AHEAD: Final = TableHistory(
    source="entsoe_day_ahead_price",
    column="price_eur_per_mwh",
    where={"bidding_zone": AREA, "auction_sequence": 1},
    step=QUARTER,
    known_after="D-1 12:57 Europe/Berlin",
)
"""Prices of the coupled auction."""

LOAD_FORECAST: Final = TableHistory(
    source="entsoe_load_forecast",
    column="load_mw",
    where={"bidding_zone": AREA},
    step=QUARTER,
    known_after="D-1 09:30 Europe/Berlin",
)

LOAD: Final = TableHistory(
    source="entsoe_load",
    column="load_mw",
    where={"bidding_zone": AREA},
    step=QUARTER,
    known_after=HOUR,
)

BALANCE: Final = TableHistory(
    source="netztransparenz_imbalance",
    column="power_mw",
    where={"product": "NRV-Saldo", "quality": "operational", "series": "Deutschland"},
    step=QUARTER,
    known_after=timedelta(minutes=22),
)
"""What the German grid lacked, as the operators first say."""

IMBALANCE_PRICE: Final = TableHistory(
    source="netztransparenz_imbalance",
    column="price_eur_per_mwh",
    where={"product": "AEP-Schätzer", "quality": "operational", "series": "AEP-Schätzer"},
    step=QUARTER,
    known_after=timedelta(minutes=22),
)
"""The operators' estimate of the price of imbalances."""


def _surprise(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return by which share the load exceeded its forecast, in percent."""
    load, forecast = (one.read(reader, start, end) for one in (LOAD, LOAD_FORECAST))
    expected = forecast.sort("known_at").group_by("event").first()
    return load.join(
        expected.select("event", expected="value", said="known_at"), on="event"
    ).select(
        "event",
        value=100.0 * (pl.col("value") / pl.col("expected") - 1.0),
        known_at=pl.max_horizontal("known_at", "said"),
        superseded_at="superseded_at",
    )


LOAD_SURPRISE: Final = DerivedHistory(
    about="by how many percent the load exceeded its forecast",
    make=_surprise,
    sources=LOAD.sources | LOAD_FORECAST.sources,
    step=QUARTER,
    known_after=HOUR,
)


def hourly_trades(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return trades of hourly contracts that deliver in [start, end), with when each was known.

    Returns:
        The columns of `ep.trades`, and `known_at`.
    """
    try:
        trades = reader.platform.trades(
            area=AREA, product="H", start=start - timedelta(days=2), end=end
        )
    except NeverStoredError:
        return pl.DataFrame()
    # A trade is on the ticker at once; by our own clock it is known when we had it.
    known = "observed_at" if reader.known == "published" else "received_at"
    return reader.in_market_time(
        trades.filter(pl.col("delivery_start").is_between(start, end, closed="left")), known
    )


def id3(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the ID3 of hourly contracts, as a history: final when the last trade was known."""
    trades = hourly_trades(reader, start, end)
    if trades.is_empty():
        return SCHEMA.to_frame()
    about = ("contract_id", "contract_name", "product", "delivery_start", "delivery_end")
    prices = index_prices(trades, trades.select(about).unique("contract_id"), _ID3)
    last = trades.group_by("contract_id").agg(pl.col("known_at").max())
    return (
        prices.drop_nulls("price_eur_per_mwh")
        .join(last, on="contract_id")
        .select(
            event="delivery_start",
            value="price_eur_per_mwh",
            known_at=pl.max_horizontal("known_at", "delivery_start"),
            superseded_at=pl.lit(None, dtype=SCHEMA["superseded_at"]),
        )
        .sort("event")
        .unique("event", keep="first", maintain_order=True)
    )


def by_hour(history: pl.DataFrame) -> pl.DataFrame:
    """Return the last values of a history, by the hour: the mean, known when all of it is."""
    newest = history.filter(pl.col("superseded_at").is_null())
    return newest.group_by(event=pl.col("event").dt.truncate("1h")).agg(
        pl.col("value").mean(), pl.col("known_at").max()
    )


def _spread(reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    auction = by_hour(DAY_AHEAD.read(reader, start, end))
    return (
        id3(reader, start, end)
        .join(auction.select("event", auction="value", told="known_at"), on="event")
        .select(
            "event",
            value=pl.col("value") - pl.col("auction"),
            known_at=pl.max_horizontal("known_at", "told"),
            superseded_at="superseded_at",
        )
    )


SPREAD: Final = DerivedHistory(
    about="by how much the ID3 of an hour exceeded its day-ahead price, EUR/MWh",
    make=_spread,
    sources=DAY_AHEAD.sources | {"nord_pool_intraday_trade", "nord_pool_intraday_contract"},
    step=HOUR,
    known_after=timedelta(),
)
