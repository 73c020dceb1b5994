"""The REST interface of Energy-Charts: day-ahead prices, the grid's frequency, public power.

The world's data rate does not apply: a grid has one frequency a second, a zone one auction a day.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.market_days import day_start
from simulator.providers.energy_charts import frequency, prices, public_power
from simulator.providers.energy_charts.prices import MARKET_TIME
from simulator.timeline import run_together
from simulator.world import World

_PRICE: Final = prices.SOURCE
_FREQUENCY: Final = frequency.SOURCE
_POWER: Final = public_power.SOURCE
_SECOND: Final = timedelta(seconds=1)
_PRICE_HISTORY: Final = timedelta(days=3 * 366)
_FREQUENCY_HISTORY: Final = timedelta(days=366)
_BAD_PRICE: Final = 99_999.0
_BAD_FREQUENCY: Final = 5.0
_BAD_POWER: Final = 9e9

_Answer = Callable[[Mapping[str, str], datetime, datetime], Response]
"""Answers for a window; the first argument is all parameters of the request."""


class EnergyCharts(HttpProvider):
    """Energy-Charts of the Fraunhofer ISE."""

    name = "energy_charts"
    models = frozenset({_PRICE, _FREQUENCY, _POWER})
    hosts = ("https://api.energy-charts.info",)

    def __init__(self, world: World, *, countries: Sequence[str] = public_power.COUNTRIES) -> None:
        super().__init__(world)
        self.prices = dict(zip(prices.ZONES, prices.prices(world), strict=True))
        self.frequency = frequency.frequency(world)
        self.power = public_power.public_power(world, countries)
        self._power_asked = asyncio.Event()
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(2.0, burst=20, speed=world.request_speed),
            server_error=partial(
                _detail, HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error"
            ),
            malformed=partial(
                HTMLResponse, "<html><body>We are down for maintenance.</body></html>"
            ),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return `/price`, `/frequency` and `/public_power`."""
        return [
            Route("/price", self.price),
            Route("/frequency", self.frequencies),
            Route("/public_power", self.public_power),
        ]

    async def run(self) -> None:
        """Move the markets on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_together([*self.prices.values()]))
            tasks.create_task(frequency.run(self.frequency))
            tasks.create_task(self._run_power())

    async def _run_power(self) -> None:
        """Publish public power once somebody asks for it: its journal is by far the longest."""
        await self._power_asked.wait()
        await self.power.run()

    async def price(self, request: Request) -> Response:
        """Answer `/price`."""
        return await self._answered(_PRICE, request, self._price)

    async def frequencies(self, request: Request) -> Response:
        """Answer `/frequency`."""
        return await self._answered(_FREQUENCY, request, self._frequency)

    async def public_power(self, request: Request) -> Response:
        """Answer `/public_power`."""
        self._power_asked.set()
        await self.power.begun()
        return await self._answered(_POWER, request, self._power)

    async def _answered(self, source: str, request: Request, answer: _Answer) -> Response:
        """Answer for the window of a request; faults strike only answers that hold rows."""
        if refusal := self._desk.refusal(source):
            return refusal
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        answered = answer(request.query_params, start, end)
        holds_rows = answered.status_code == HTTPStatus.OK
        return await self._desk.struck(source, answered) if holds_rows else answered

    def _price(self, params: Mapping[str, str], start: datetime, end: datetime) -> Response:
        zone = params.get("bzn", "DE-LU")
        if zone not in self.prices:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown bidding zone {zone}.")
        start = max(start, self._world.clock.now() - _PRICE_HISTORY)
        seen = self.prices[zone].visible(start, end + _SECOND)
        if seen.is_empty():
            return _detail(HTTPStatus.NOT_FOUND, "No content available for this period.")
        values = seen["price_eur_per_mwh"].to_list()
        if self._desk.bad_row(_PRICE):
            values[-1] = _BAD_PRICE
        reply = {"license_info": "simulated", **_columns(seen["slot"], "price", values)}
        return JSONResponse({**reply, "unit": "EUR / MWh"})

    def _frequency(self, params: Mapping[str, str], start: datetime, end: datetime) -> Response:
        region = params.get("region", frequency.REGION)
        if region != frequency.REGION:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown region {region}.")
        start = max(start, self._world.clock.now() - _FREQUENCY_HISTORY)
        seen = self.frequency.visible(start, min(end, self.frequency.reached) + _SECOND)
        values = seen["frequency_hz"].to_list()
        if values and self._desk.bad_row(_FREQUENCY):
            values[-1] = _BAD_FREQUENCY
        return JSONResponse(_columns(seen["slot"], "data", values))

    def _power(self, params: Mapping[str, str], start: datetime, end: datetime) -> Response:
        country = params.get("country", "de")
        if country not in public_power.KNOWN:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, f"Unknown country {country}.")
        reply = public_power.columns(self.power, country, start, end)
        if not reply["unix_seconds"]:
            return _detail(HTTPStatus.NOT_FOUND, "No content available for this period.")
        if self._desk.bad_row(_POWER):
            reply["production_types"][-1]["data"][-1] = _BAD_POWER
        return JSONResponse(reply)


PROVIDER: Final = EnergyCharts


def _window(params: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    """Read `start` and `end`, both included: unix seconds, a local date, or an ISO 8601 stamp.

    Raises:
        ValueError: One of them is none of these.
    """
    today = now.astimezone(MARKET_TIME).date().isoformat()
    start, end = params.get("start", today), params.get("end", today)
    return _instant(start, whole_day=False), _instant(end, whole_day=True)


def _instant(text: str, *, whole_day: bool) -> datetime:
    if text.isdecimal() and len(text) > len("20251026"):
        return datetime.fromtimestamp(int(text), UTC)
    if "T" not in text:
        day = date.fromisoformat(text) + timedelta(days=whole_day)
        return day_start(day, MARKET_TIME) - timedelta(seconds=whole_day)
    stamp = datetime.fromisoformat(text)
    return stamp.replace(tzinfo=stamp.tzinfo or MARKET_TIME).astimezone(UTC)


def _columns(instants: pl.Series, name: str, values: Sequence[float]) -> dict[str, Any]:
    return {"unix_seconds": instants.dt.epoch("s").to_list(), name: values, "deprecated": False}


def _detail(status: HTTPStatus, text: str) -> Response:
    return JSONResponse({"detail": text}, status_code=status)
