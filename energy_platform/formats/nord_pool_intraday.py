"""Nord Pool Intraday's JSON: LocalViewRow (order books), PublicTradeRow (the ticker), ContractRow.

The ticker is read in its versions 1 and 2. A message is an array of rows. Prices are hundredths of
the currency per MWh, quantities are kW; here they become EUR/MWh and MW. Instants carry an offset;
`sent_at` is milliseconds since 1970. `energy_platform.feeds.websocket` brings the messages.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.encodings.json_reply import boolean, decoded_each, integer, number, text
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.whole_list import WholeList

EMPTY: Final = "EMPTY"
"""Side and order of the row that says: this contract's book holds no order."""

_BOOK: Final = ("delivery_area_id", "contract_id")
SNAPSHOT: Final = WholeList(
    name={name: pl.col(name) for name in _BOOK},
    whole=pl.col("is_snapshot"),
    item=("side", "order_id"),
    number="revision_no",
    gone=pl.col("deleted"),
    reach=timedelta(days=2),
)
"""A snapshot has all orders of a contract's book; a contract is traded for less than two days."""
_ABOUT: Final = (
    "landing_offset",
    "is_snapshot",
    "published_at",
    "contractId",
    "deliveryAreaId",
    "revisionNo",
    "updatedAt",
)

_ORDER: Final = pl.Struct(
    dict.fromkeys(("orderId", "price", "qty", "updatedAt", "deleted"), pl.String)
)
_LOCAL_VIEW_ROW: Final = pl.Struct(
    {
        **dict.fromkeys(("contractId", "deliveryAreaId", "revisionNo", "updatedAt"), pl.String),
        "buyOrders": pl.List(_ORDER),
        "sellOrders": pl.List(_ORDER),
    }
)
_LEG: Final = pl.Struct(
    dict.fromkeys(
        ("contractId", "side", "unitPrice", "quantity", "deliveryAreaId", "aggressor"), pl.String
    )
)
_TRADE_ROW: Final = pl.Struct(
    {
        **dict.fromkeys(
            (
                *("tradeId", "tradeTime", "state", "currency", "eventSequenceNo", "revisionNo"),
                *("deleted", "mediumDisplayName", "updatedAt"),
            ),
            pl.String,
        ),
        "legs": pl.List(_LEG),
    }
)
_AREA_STATE: Final = pl.Struct(
    dict.fromkeys(("dlvryAreaId", "state", "openAt", "closedAt"), pl.String)
)
_CONTRACT_ROW: Final = pl.Struct(
    {
        **dict.fromkeys(
            (
                *("contractId", "contractName", "durationSeconds", "predefined", "deleted"),
                *("dlvryStart", "dlvryEnd", "marketId", "productType", "productId", "updatedAt"),
            ),
            pl.String,
        ),
        "dlvryAreaState": pl.List(_AREA_STATE),
    }
)


def _instant(said: pl.Expr) -> pl.Expr:
    """Read instants with an offset; a malformed one becomes null, which a check refuses."""
    return said.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)


def _hundredths(said: pl.Expr) -> pl.Expr:
    """Divide by 100 to the nearest float: polars multiplies by 0.01, which is not the same."""
    return (number(said) / 100).round(2)


def _thousandths(said: pl.Expr) -> pl.Expr:
    """Divide by 1000 to the nearest float."""
    return (number(said) / 1000).round(3)


_ORDER_EVENT: Final = {
    "delivery_area_id": integer(pl.col("deliveryAreaId")).cast(pl.String),
    "contract_id": text(pl.col("contractId")),
    "side": pl.col("side"),
    "order_id": pl.when(side=EMPTY)
    .then(pl.lit(EMPTY))
    .otherwise(text(pl.col("order").struct["orderId"])),
    "revision_no": integer(pl.col("revisionNo")),
    "is_snapshot": pl.col("is_snapshot"),
    "observed_at": _instant(pl.coalesce(pl.col("order").struct["updatedAt"], "updatedAt")),
    "published_at": pl.col("published_at"),
    "price_eur_per_mwh": _hundredths(pl.col("order").struct["price"]),
    "volume_mw": _thousandths(pl.col("order").struct["qty"]),
    "deleted": boolean(pl.col("order").struct["deleted"]) | (pl.col("side") == EMPTY),
    "landing_offset": pl.col("landing_offset"),
}
_TRADE_LEG: Final = {
    "trade_id": text(pl.col("tradeId")),
    "contract_id": text(pl.col("leg").struct["contractId"]),
    "side": text(pl.col("leg").struct["side"]),
    "delivery_area_id": integer(pl.col("leg").struct["deliveryAreaId"]).cast(pl.String),
    # v1 has no revision numbers; its events are numbered in the same order.
    "revision_no": integer(pl.coalesce("revisionNo", "eventSequenceNo")),
    "observed_at": _instant(pl.col("tradeTime")),
    "updated_at": _instant(pl.col("updatedAt")),
    "published_at": pl.col("published_at"),
    "contract_name": text(pl.col("mediumDisplayName")),
    "state": text(pl.col("state")),
    "price_eur_per_mwh": pl.when(currency="EUR").then(
        _hundredths(pl.col("leg").struct["unitPrice"])
    ),
    "price_gbp_per_mwh": pl.when(currency="GBP").then(
        _hundredths(pl.col("leg").struct["unitPrice"])
    ),
    "volume_mw": _thousandths(pl.col("leg").struct["quantity"]),
    "is_aggressor": boolean(pl.col("leg").struct["aggressor"]),
    # v2 shows every trade, so it lacks this flag.
    "deleted": boolean(pl.col("deleted").fill_null("false")),
    "landing_offset": pl.col("landing_offset"),
}
_CONTRACT_STATE: Final = {
    "delivery_start": _instant(pl.col("dlvryStart")),
    "delivery_end": _instant(pl.col("dlvryEnd")),
    "contract_id": text(pl.col("contractId")),
    "delivery_area_id": integer(pl.col("area").struct["dlvryAreaId"]).cast(pl.String),
    "updated_at": _instant(pl.col("updatedAt")),
    "published_at": pl.col("published_at"),
    "contract_name": text(pl.col("contractName")),
    "product_type": text(pl.col("productType")),
    "product_id": text(pl.col("productId")),
    "market_id": text(pl.col("marketId")),
    "duration_s": number(pl.col("durationSeconds")),
    "predefined": boolean(pl.col("predefined")),
    "state": text(pl.col("area").struct["state"]),
    "opens_at": _instant(pl.col("area").struct["openAt"]),
    "closes_at": _instant(pl.col("area").struct["closedAt"]),
    "deleted": boolean(pl.col("deleted")),
    "landing_offset": pl.col("landing_offset"),
}


def order_events(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read `localview` messages: one row for each order that a message shows.

    If a snapshot shows a contract without orders, the contract is one row whose side and order are
    `EMPTY`. If a delta does, it says nothing, and gives no row. A contract that lacks a side in a
    snapshot is not taken for empty: it gives a row without a side, which its check refuses.

    Raises:
        ParseError: A body is not an array of LocalViewRows.
        ContextMissingError: The context does not say whether a message is a snapshot.
    """
    for message in messages:
        message.asked("snapshot")
    books = _rows(messages, _LOCAL_VIEW_ROW)
    buys, sells = pl.col("buyOrders").list.len(), pl.col("sellOrders").list.len()
    lacks_side = buys.is_null() | sells.is_null()
    is_empty = ((buys == 0) & (sells == 0)).fill_null(value=False)
    # A row without a contract is kept, so that its check refuses it.
    shows_emptiness = is_empty & (pl.col("is_snapshot") | pl.col("contractId").is_null())
    shown = [
        books.filter(pl.col(orders).list.len() > 0)
        .explode(orders)
        .select(*_ABOUT, pl.lit(side).alias("side"), pl.col(orders).alias("order"))
        for side, orders in (("BUY", "buyOrders"), ("SELL", "sellOrders"))
    ]
    without_order = books.filter(shows_emptiness | lacks_side)
    if not without_order.is_empty():
        shown.append(
            without_order.sort(lacks_side, maintain_order=True).select(
                *_ABOUT,
                pl.when(~lacks_side).then(pl.lit(EMPTY)).alias("side"),
                pl.lit(None, dtype=_ORDER).alias("order"),
            )
        )
    # One plan of all this costs more than its parts: most messages show one order.
    events = pl.concat(shown).select(**_ORDER_EVENT)
    return events.sort("landing_offset", maintain_order=True)


def trade_legs(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read `ticker` messages: one row for each leg of a trade.

    Raises:
        ParseError: A body is not an array of PublicTradeRows.
    """
    legs = _each(_rows(messages, _TRADE_ROW), "legs", leg=_LEG)
    return legs.select(**_TRADE_LEG).sort("landing_offset", maintain_order=True)


def contract_states(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read `contracts` messages: one row for each delivery area of a contract.

    Raises:
        ParseError: A body is not an array of ContractRows.
    """
    states = _each(_rows(messages, _CONTRACT_ROW), "dlvryAreaState", area=_AREA_STATE)
    return states.select(**_CONTRACT_STATE).sort("landing_offset", maintain_order=True)


def standing_orders(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the orders that stand after all of `events`, rows of an order book's table.

    A contract's book is its newest snapshot and every delta of a higher revision. For the book as
    of an instant, leave out the events that were published later.
    """
    return last_rows(events, newest_snapshots(events)).filter(~pl.col("deleted"))


def newest_snapshots(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the revision of each book's newest snapshot, as `since`."""
    return events.filter("is_snapshot").group_by(_BOOK).agg(since=pl.col("revision_no").max())


def last_rows(events: pl.LazyFrame, newest: pl.LazyFrame) -> pl.LazyFrame:
    """Return the last row of each order since its book's newest snapshot, of gone orders too."""
    snapshot = pl.col("is_snapshot") & (pl.col("revision_no") == pl.col("since"))
    later = ~pl.col("is_snapshot") & (pl.col("revision_no") > pl.col("since").fill_null(-1))
    return (
        # Of rows with the same revision the last one counts, so the join must keep their order.
        events.join(newest, on=_BOOK, how="left", maintain_order="left")
        .filter(snapshot | later)
        .sort("revision_no", maintain_order=True)
        .unique([*_BOOK, "side", "order_id"], keep="last", maintain_order=True)
        .drop("since")
    )


def _rows(messages: Sequence[RawMessage], row_type: pl.Struct) -> pl.DataFrame:
    """Return the rows of many messages, each with the context of its message."""
    rows = decoded_each([message.body for message in messages], pl.List(row_type))
    if rows.has_nulls():
        raise ParseError("not an array of rows: null")
    told = pl.DataFrame(
        {
            "landing_offset": [message.landing_offset for message in messages],
            "is_snapshot": [message.context.get("snapshot") == "true" for message in messages],
            "sent_at": [message.context.get("sent_at") for message in messages],
            "rows": rows,
        },
        schema_overrides={"landing_offset": pl.Int64, "sent_at": pl.String},
    )
    return (
        told.with_columns(
            published_at=pl.from_epoch(integer(pl.col("sent_at")), "ms").cast(INSTANT)
        )
        .filter(pl.col("rows").list.len() > 0)
        .explode("rows")
        .select("landing_offset", "is_snapshot", "published_at", "rows")
        .unnest("rows")
    )


def _each(rows: pl.DataFrame, parts: str, **part: pl.Struct) -> pl.DataFrame:
    """Return one row for each part of a row, in a column of the part's name.

    A row without parts is kept as one row without a part, which its check refuses.
    """
    [(name, dtype)] = part.items()
    has_parts = (pl.col(parts).list.len() > 0).fill_null(value=False)
    without = rows.filter(~has_parts).with_columns(pl.lit(None, dtype=dtype).alias(parts))
    return pl.concat([rows.filter(has_parts).explode(parts), without]).rename({parts: name})
