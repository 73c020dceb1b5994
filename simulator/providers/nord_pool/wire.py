"""Books, trades and contracts as Nord Pool sends them, and as the columns of the sources' tables.

Prices are in cents, quantities in kilowatts. An order that is gone has a quantity of zero.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from simulator.journal import Row
from simulator.providers.nord_pool.contracts import Contract
from simulator.providers.nord_pool.order_book import BUY, SELL, SIDES, Match, ShownOrder

WireRow = dict[str, Any]

_EMPTY: Final = "EMPTY"
"""Side and order of the one row that a snapshot has for a book without orders."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """A message about one book, the same in every delivery area: some of its orders or all."""

    contract: Contract
    revision_no: int
    orders: Sequence[ShownOrder]
    told_at: datetime

    def on_the_wire(self, area: int) -> WireRow:
        """Return the LocalViewRow that is seen in a delivery area."""
        seen: dict[str, list[WireRow]] = {side: [] for side in SIDES}
        for order in self.orders:
            seen[order.side].append(
                {
                    "orderId": order.id,
                    "deliveryAreaId": area,
                    "price": order.price_cents,
                    "qty": order.quantity_kw,
                    "updatedAt": wire_time(order.updated_at),
                    "deleted": not order.quantity_kw,
                }
            )
        return {
            "contractId": self.contract.id,
            "deliveryAreaId": area,
            "revisionNo": self.revision_no,
            "buyOrders": seen[BUY],
            "sellOrders": seen[SELL],
            "updatedAt": wire_time(self.told_at),
        }


def wire_time(instant: datetime) -> str:
    """Write an instant as Nord Pool does: milliseconds, UTC."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def trade(trade_id: str, contract: Contract, match: Match, now: datetime) -> WireRow:
    """Return the PublicTradeRow of a match; both legs have the price that it was made at."""
    return {
        "tradeId": trade_id,
        "tradeTime": wire_time(now),
        "state": "COMPLETED",
        "currency": "EUR",
        "eventSequenceNo": None,
        "revisionNo": 1,
        "mediumDisplayName": contract.name,
        "selfTrade": None,
        "updatedAt": wire_time(now),
        "legs": [
            {
                "contractId": contract.id,
                "side": side,
                "unitPrice": match.price_cents,
                "quantity": match.quantity_kw,
                "deliveryAreaId": match.areas[side],
                "aggressor": side == match.aggressor,
            }
            for side in SIDES
        ],
    }


def contract_on_the_wire(contract: Contract, now: datetime, areas: Iterable[int]) -> WireRow:
    """Return the ContractRow of a contract as it is at an instant, the same in each area."""
    is_open = now < contract.closes_at
    return {
        "contractId": contract.id,
        "contractName": contract.name,
        "durationSeconds": int(contract.length.total_seconds()),
        "resolutionSeconds": int(contract.length.total_seconds()),
        "predefined": True,
        "deleted": False,
        "dlvryStart": wire_time(contract.delivery_start),
        "dlvryEnd": wire_time(contract.delivery_start + contract.length),
        "dlvryAreaState": [
            {
                "dlvryAreaId": area,
                "state": "ACTI" if is_open else "IACT",
                "openAt": wire_time(contract.opens_at),
                "closedAt": wire_time(contract.closes_at),
            }
            for area in areas
        ],
        "marketId": "XBID",
        "shortDisplayName": contract.name,
        "mediumDisplayName": contract.name,
        "productType": _PRODUCT_TYPES[contract.product],
        "productId": f"Intraday_{contract.product}",
        "updatedAt": wire_time(contract.opens_at if is_open else contract.closes_at),
    }


_PRODUCT_TYPES: Final = {"QH": "P15MIN", "HH": "P30MIN", "PH": "P60MIN"}


def contract_rows(sent: Iterable[WireRow], sent_at: datetime) -> list[Row]:
    """Return ContractRows in the columns of the contracts' table, one for each delivery area."""
    return [
        {
            "contract_id": contract["contractId"],
            "delivery_area_id": str(area["dlvryAreaId"]),
            "delivery_start": _instant(contract["dlvryStart"]),
            "delivery_end": _instant(contract["dlvryEnd"]),
            "updated_at": _instant(contract["updatedAt"]),
            "published_at": sent_at,
            "contract_name": contract["contractName"],
            "product_type": contract["productType"],
            "product_id": contract["productId"],
            "market_id": contract["marketId"],
            "duration_s": float(contract["durationSeconds"]),
            "predefined": contract["predefined"],
            "state": area["state"],
            "opens_at": _instant(area["openAt"]),
            "closes_at": _instant(area["closedAt"]),
            "deleted": contract["deleted"],
        }
        for contract in sent
        for area in contract["dlvryAreaState"]
    ]


def book_rows(sent: Iterable[WireRow], sent_at: datetime, *, is_snapshot: bool) -> list[Row]:
    """Return LocalViewRows in the columns of the order book's table."""
    rows: list[Row] = []
    for row in sent:
        about = {
            "delivery_area_id": str(row["deliveryAreaId"]),
            "contract_id": row["contractId"],
            "revision_no": row["revisionNo"],
            "is_snapshot": is_snapshot,
            "published_at": sent_at,
        }
        if is_snapshot and not (row["buyOrders"] or row["sellOrders"]):
            rows.append(about | _NO_ORDER | {"observed_at": _instant(row["updatedAt"])})
        rows += [
            about
            | {
                "side": side,
                "order_id": order["orderId"],
                "observed_at": _instant(order["updatedAt"]),
                "price_eur_per_mwh": order["price"] / 100,
                "volume_mw": order["qty"] / 1000,
                "deleted": order["deleted"],
            }
            for side, orders in ((BUY, row["buyOrders"]), (SELL, row["sellOrders"]))
            for order in orders
        ]
    return rows


_NO_ORDER: Final = {
    "side": _EMPTY,
    "order_id": _EMPTY,
    "price_eur_per_mwh": None,
    "volume_mw": None,
    "deleted": True,
}


def trade_rows(sent: Iterable[WireRow], sent_at: datetime) -> list[Row]:
    """Return PublicTradeRows in the columns of the trades' table, one for each leg."""
    return [
        {
            "trade_id": trade["tradeId"],
            "contract_id": leg["contractId"],
            "side": leg["side"],
            "delivery_area_id": str(leg["deliveryAreaId"]),
            "revision_no": trade["revisionNo"],
            "observed_at": datetime.fromisoformat(trade["tradeTime"]),
            "updated_at": datetime.fromisoformat(trade["updatedAt"]),
            "published_at": sent_at,
            "contract_name": trade["mediumDisplayName"],
            "state": trade["state"],
            "price_eur_per_mwh": leg["unitPrice"] / 100,
            "price_gbp_per_mwh": None,
            "volume_mw": leg["quantity"] / 1000,
            "is_aggressor": leg["aggressor"],
            "deleted": False,
        }
        for trade in sent
        for leg in trade["legs"]
    ]


def trades_on_the_wire(rows: Sequence[Mapping[str, Any]]) -> list[WireRow]:
    """Return journalled rows of the trades' table as they were sent: the legs of each together."""
    sent = []
    for _, grouped in itertools.groupby(rows, lambda row: (row["trade_id"], row["revision_no"])):
        legs = list(grouped)
        first = legs[0]
        sent.append(
            {
                "tradeId": first["trade_id"],
                "tradeTime": wire_time(datetime.fromisoformat(first["observed_at"])),
                "state": first["state"],
                "currency": "EUR",
                "eventSequenceNo": None,
                "revisionNo": first["revision_no"],
                "mediumDisplayName": first["contract_name"],
                "selfTrade": None,
                "updatedAt": wire_time(datetime.fromisoformat(first["updated_at"])),
                "legs": [
                    {
                        "contractId": leg["contract_id"],
                        "side": leg["side"],
                        "unitPrice": round(leg["price_eur_per_mwh"] * 100),
                        "quantity": round(leg["volume_mw"] * 1000),
                        "deliveryAreaId": int(leg["delivery_area_id"]),
                        "aggressor": leg["is_aggressor"],
                    }
                    for leg in legs
                ],
            }
        )
    return sent
