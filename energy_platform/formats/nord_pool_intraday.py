"""Nord Pool Intraday's JSON: LocalViewRow (order books) and PublicTradeRow (the ticker), v1 and v2.

A message is an array of rows. Prices are hundredths of the currency per MWh, quantities are kW;
here they become EUR/MWh and MW. Instants carry an offset; `sent_at` is milliseconds since 1970.
How messages travel is the business of `energy_platform.feeds.websocket`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.errors import ParseError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import INSTANT
from energy_platform.market.whole_list import WholeList

EMPTY: Final = "EMPTY"
"""Side and order of the one row that says: this contract's book holds no order."""

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

# Numbers are read as floats, which a JSON integer always fits here: a fraction where an integer
# is promised must be seen, not become null.
_ORDER: Final = pl.Struct(
    {
        "orderId": pl.String,
        "price": pl.Float64,
        "qty": pl.Float64,
        "updatedAt": pl.String,
        "deleted": pl.Boolean,
    }
)
_LOCAL_VIEW_ROWS: Final = pl.List(
    pl.Struct(
        {
            "contractId": pl.String,
            "deliveryAreaId": pl.Int64,
            "revisionNo": pl.Int64,
            "updatedAt": pl.String,
            "buyOrders": pl.List(_ORDER),
            "sellOrders": pl.List(_ORDER),
        }
    )
)
_LEG: Final = pl.Struct(
    {
        "contractId": pl.String,
        "side": pl.String,
        "unitPrice": pl.Float64,
        "quantity": pl.Float64,
        "deliveryAreaId": pl.Int64,
        "aggressor": pl.Boolean,
    }
)
_TRADE_ROWS: Final = pl.List(
    pl.Struct(
        {
            "tradeId": pl.String,
            "tradeTime": pl.String,
            "state": pl.String,
            "currency": pl.String,
            "eventSequenceNo": pl.Int64,
            "revisionNo": pl.Int64,
            "deleted": pl.Boolean,
            "mediumDisplayName": pl.String,
            "updatedAt": pl.String,
            "legs": pl.List(_LEG),
        }
    )
)


def _hundredths(number: pl.Expr) -> pl.Expr:
    """Divide by 100 to the nearest float: polars multiplies by 0.01, which is not the same."""
    return (number / 100).round(2)


def _thousandths(number: pl.Expr) -> pl.Expr:
    """Divide by 1000 to the nearest float."""
    return (number / 1000).round(3)


_ORDER_EVENT: Final = {
    "delivery_area_id": pl.col("deliveryAreaId").cast(pl.String),
    "contract_id": pl.col("contractId"),
    "side": pl.col("side"),
    "order_id": pl.col("order").struct["orderId"],
    "revision_no": pl.col("revisionNo"),
    "is_snapshot": pl.col("is_snapshot"),
    "observed_at": pl.coalesce(pl.col("order").struct["updatedAt"], "updatedAt"),
    "published_at": pl.col("published_at"),
    "price_eur_per_mwh": _hundredths(pl.col("order").struct["price"]),
    "volume_mw": _thousandths(pl.col("order").struct["qty"]),
    "deleted": pl.col("order").struct["deleted"],
    "landing_offset": pl.col("landing_offset"),
}
_TRADE_LEG: Final = {
    "trade_id": pl.col("tradeId"),
    "contract_id": pl.col("leg").struct["contractId"],
    "side": pl.col("leg").struct["side"],
    "delivery_area_id": pl.col("leg").struct["deliveryAreaId"].cast(pl.String),
    # v1 numbers no revisions; its events are numbered in the same order.
    "revision_no": pl.coalesce("revisionNo", "eventSequenceNo"),
    "observed_at": pl.col("tradeTime"),
    "updated_at": pl.col("updatedAt"),
    "published_at": pl.col("published_at"),
    "contract_name": pl.col("mediumDisplayName"),
    "state": pl.col("state"),
    "price_eur_per_mwh": pl.when(currency="EUR").then(
        _hundredths(pl.col("leg").struct["unitPrice"])
    ),
    "price_gbp_per_mwh": pl.when(currency="GBP").then(
        _hundredths(pl.col("leg").struct["unitPrice"])
    ),
    "volume_mw": _thousandths(pl.col("leg").struct["quantity"]),
    "is_aggressor": pl.col("leg").struct["aggressor"],
    # v2 shows every trade, so it has no such flag.
    "deleted": pl.col("deleted").fill_null(False),
    "landing_offset": pl.col("landing_offset"),
}


def order_events(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read `localview` messages: one row for each order that a message shows.

    A contract that a snapshot shows without orders is one row whose side and order are `EMPTY`;
    one that a delta shows without orders says nothing, and gives none. One that lacks a side is
    not taken for empty there: a row without side, which its check refuses, says so.

    Raises:
        ParseError: A body is not an array of LocalViewRows.
    """
    books = _rows(messages, _LOCAL_VIEW_ROWS)
    buys, sells = pl.col("buyOrders").list.len() > 0, pl.col("sellOrders").list.len() > 0
    lacking = pl.col("buyOrders").is_null() | pl.col("sellOrders").is_null()
    shown = pl.concat(
        [
            books.filter(buys)
            .explode("buyOrders")
            .select(*_ABOUT, side=pl.lit("BUY"), order="buyOrders"),
            books.filter(sells)
            .explode("sellOrders")
            .select(*_ABOUT, side=pl.lit("SELL"), order="sellOrders"),
        ]
    ).select(**_ORDER_EVENT)
    nothing = ~lacking & ~buys & ~sells
    # A row that names no contract can't be left out in silence: its check will refuse it.
    emptied = books.filter(nothing & (pl.col("is_snapshot") | pl.col("contractId").is_null()))
    no_order = pl.lit(None, dtype=_ORDER)
    empty = emptied.select(*_ABOUT, side=pl.lit(EMPTY), order=no_order).select(
        **_ORDER_EVENT | {"order_id": pl.lit(EMPTY), "deleted": pl.lit(True)}
    )
    halved = books.filter(lacking).select(
        *_ABOUT, side=pl.lit(None, dtype=pl.String), order=no_order
    )
    events = pl.concat([shown, empty, halved.select(**_ORDER_EVENT)])
    events = events.sort("landing_offset", maintain_order=True)
    return events.with_columns(_instant("observed_at"))


def trade_legs(messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Read `ticker` messages: one row for each leg of a trade.

    Raises:
        ParseError: A body is not an array of PublicTradeRows.
    """
    trades = _rows(messages, _TRADE_ROWS)
    # A trade without legs stays as one row without any, which its check will refuse.
    legs = pl.concat(
        [
            trades.filter(pl.col("legs").list.len() > 0).explode("legs"),
            trades.filter(pl.col("legs").list.len().fill_null(0) == 0).with_columns(
                legs=pl.lit(None, dtype=_LEG)
            ),
        ]
    ).rename({"legs": "leg"})
    ordered = legs.select(**_TRADE_LEG).sort("landing_offset", maintain_order=True)
    return ordered.with_columns(_instant("observed_at"), _instant("updated_at"))


def standing_orders(events: pl.LazyFrame) -> pl.LazyFrame:
    """Return the orders that stand after all of `events`, rows of an order book's table.

    A contract's book is its newest snapshot and every delta of a higher revision. For the book as
    of an instant, leave out the events that were published later.
    """
    newest = events.filter("is_snapshot").group_by(_BOOK).agg(since=pl.col("revision_no").max())
    snapshot = pl.col("is_snapshot") & (pl.col("revision_no") == pl.col("since"))
    later = ~pl.col("is_snapshot") & (pl.col("revision_no") > pl.col("since").fill_null(-1))
    return (
        events.join(newest, on=_BOOK, how="left")
        .filter(snapshot | later)
        .sort("revision_no", maintain_order=True)
        .unique([*_BOOK, "side", "order_id"], keep="last", maintain_order=True)
        .filter(~pl.col("deleted"))
        .drop("since")
    )


def _rows(messages: Sequence[RawMessage], rows_type: pl.List) -> pl.DataFrame:
    """Decode many bodies at once; beside each row stands what its message's context says."""
    decoded = pl.DataFrame(
        {
            "landing_offset": [message.landing_offset for message in messages],
            "is_snapshot": [message.context.get("snapshot") == "true" for message in messages],
            "sent_at": [message.context.get("sent_at") for message in messages],
            "body": [message.body for message in messages],
        },
        schema={
            "landing_offset": pl.Int64,
            "is_snapshot": pl.Boolean,
            "sent_at": pl.String,
            "body": pl.Binary,
        },
    )
    try:
        decoded = decoded.with_columns(
            rows=pl.col("body").cast(pl.String).str.json_decode(rows_type),
            published_at=pl.from_epoch(pl.col("sent_at").cast(pl.Int64), "ms").cast(INSTANT),
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(f"not an array of rows: {messages[0].body[:60]!r}") from error
    if decoded["rows"].has_nulls():
        raise ParseError("not an array of rows: b'null'")
    rows = decoded.filter(pl.col("rows").list.len() > 0).explode("rows")
    return rows.select("landing_offset", "is_snapshot", "published_at", "rows").unnest("rows")


def _instant(column: str) -> pl.Expr:
    """Read instants with an offset; what is none becomes null, which a check refuses."""
    return pl.col(column).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
