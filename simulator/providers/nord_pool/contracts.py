"""The contracts of the German delivery areas: hours, half-hours and quarter-hours, and when.

All contracts of a market day open in the afternoon before; each closes a few minutes before its
delivery. A day of 23, 24 or 25 hours has contracts for each of its hours.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from simulator.market_days import eve, period_starts

_MARKET_TIME: Final = ZoneInfo("Europe/Berlin")
_OPENING: Final = time(15)
_GATE_CLOSURE: Final = timedelta(minutes=5)
_QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_PRODUCTS: Final = {"QH": _QUARTER, "HH": 2 * _QUARTER, "PH": 4 * _QUARTER}
_SHOWN_FOR: Final = _DAY
"""How long after its delivery began a contract is still in the contracts topic."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One delivery period that is traded.

    Attributes:
        product: `QH`, `HH` or `PH`: a quarter-hour, a half-hour, an hour.
        delivery_start: When delivery begins (UTC).
    """

    product: str
    delivery_start: datetime

    @property
    def length(self) -> timedelta:
        """How long delivery takes."""
        return _PRODUCTS[self.product]

    @property
    def id(self) -> str:
        """The exchange's number of the contract."""
        return f"NX_{int(self.delivery_start.timestamp()) // 900}{self.length // _QUARTER}"

    @property
    def name(self) -> str:
        """The contract's name for people."""
        return f"{self.product}-{self.delivery_start:%Y%m%d-%H%M}"

    @property
    def opens_at(self) -> datetime:
        """When trading begins."""
        return eve(self.delivery_start.astimezone(_MARKET_TIME).date(), _OPENING, _MARKET_TIME)

    @property
    def closes_at(self) -> datetime:
        """When trading ends."""
        return self.delivery_start - _GATE_CLOSURE


def contracts_open_at(instant: datetime) -> list[Contract]:
    """Return the contracts open at an instant of market time, by delivery, the shortest first."""
    return [contract for contract in contracts_shown_at(instant) if instant < contract.closes_at]


def contracts_shown_at(instant: datetime) -> list[Contract]:
    """Return the contracts that the exchange tells of: open ones, and those of the last day."""
    today = instant.astimezone(_MARKET_TIME).date()
    return [
        contract
        for day in (today - _DAY, today, today + _DAY)
        if eve(day, _OPENING, _MARKET_TIME) <= instant
        for contract in _contracts_of(day)
        if instant < contract.delivery_start + _SHOWN_FOR
    ]


@lru_cache(maxsize=4)
def _contracts_of(day: date) -> tuple[Contract, ...]:
    """Return the contracts of a market day, by delivery, the shortest first."""
    contracts = [
        Contract(product, start)
        for product, length in _PRODUCTS.items()
        for start in period_starts(day, _MARKET_TIME, length)
    ]
    return tuple(sorted(contracts, key=lambda each: (each.delivery_start, each.length)))


def open_contracts(at: datetime) -> list[str]:
    """Return the ids of the contracts whose books are open at an instant of market time."""
    return [contract.id for contract in contracts_open_at(at)]
