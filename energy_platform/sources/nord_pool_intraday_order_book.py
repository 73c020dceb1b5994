"""Order books of Nord Pool Intraday, order by order: a log from which any book can be rebuilt."""

from datetime import timedelta
from typing import Final

import pandera.polars as pa

from energy_platform.feeds.websocket.nord_pool import NORD_POOL, TOKENS, intraday_topics
from energy_platform.formats.nord_pool_intraday import EMPTY, SNAPSHOT, order_events
from energy_platform.market.quantity import Quantity
from energy_platform.market.rows import Instant, InstantRows
from energy_platform.market.source import MarketGroup, MarketSource

_DELIVERY_AREAS: Final = {"50Hz": 22, "AMP": 23, "TTG": 24, "TBW": 25}


class OrderEvents(InstantRows):
    """One order as one message shows it; `observed_at` is when the order last changed."""

    delivery_area_id: str = pa.Field(description="Nord Pool's number of the delivery area")
    contract_id: str = pa.Field(description="Contract, as in the contracts topic")
    side: str = pa.Field(
        isin=["BUY", "SELL", EMPTY], description="Side of the book; EMPTY: it holds no order"
    )
    order_id: str = pa.Field(description="Order, unknown beyond its book")
    revision_no: int = pa.Field(ge=0, description="Revision of the contract's book")
    is_snapshot: bool = pa.Field(description="Part of a whole book, not a change to one")
    published_at: Instant = pa.Field(nullable=True, description="When the message was sent")
    price_eur_per_mwh: float = pa.Field(
        in_range={"min_value": -9_999.99, "max_value": 9_999.99},
        nullable=True,
        description="Limit price",
    )
    volume_mw: float = pa.Field(ge=0, nullable=True, description="Volume left to trade")
    deleted: bool = pa.Field(description="The order is gone")


NORD_POOL_INTRADAY_ORDER_BOOK: Final = MarketSource(
    name="nord_pool_intraday_order_book",
    provider=NORD_POOL,
    group=MarketGroup.INTRADAY,
    description=(
        "Local views of the German delivery areas. A book as of an instant is its last snapshot "
        "and the changes of higher revisions after it; contracts' delivery periods are in the "
        "contracts topic."
    ),
    feed=intraday_topics(*(f"v1/streaming/localview/{area}" for area in _DELIVERY_AREAS.values())),
    parse=order_events,
    rows=OrderEvents,
    key=("delivery_area_id", "contract_id", "side", "order_id", "revision_no", "is_snapshot"),
    whole_list=SNAPSHOT,
    event_time="observed_at",
    quantities={"volume_mw": Quantity.VOLUME},
    expected_lag=timedelta(seconds=30),
    terms="Subscribers only; no redistribution (Nord Pool market data agreement)",
    hot_tags=("delivery_area_id", "contract_id", "side", "order_id"),
    hot_fields=("price_eur_per_mwh", "volume_mw", "revision_no", "is_snapshot", "deleted"),
    context={"snapshot": "false"},
    required_environment=TOKENS.required_environment,
)
