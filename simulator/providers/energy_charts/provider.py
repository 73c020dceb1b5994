"""The REST interface of Energy-Charts: day-ahead prices, the grid's frequency, public power.

The world's data rate has no hold here: a grid has one frequency a second, a zone one auction a day.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.faults import FaultKind
from simulator.http_faults import WIRE_FAULTS, RequestGate, struck
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


class _Service:
    """The REST interface in one world."""

    def __init__(self, world: World, countries: Sequence[str]) -> None:
        self._world = world
        self.prices = dict(zip(prices.ZONES, prices.prices(world), strict=True))
        self.frequency = frequency.frequency(world)
        self.power = public_power.public_power(world, countries)
        self._power_asked = asyncio.Event()
        self._gate = RequestGate(2.0, burst=20, speed=world.request_speed)

    async def run(self) -> None:
        """Move the markets on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_together([*self.prices.values()]))
            tasks.create_task(frequency.run(self.frequency))
            tasks.create_task(self._run_power())

    async def _run_power(self) -> None:
        """Move public power on once somebody looks: its journal is by far the longest."""
        await self._power_asked.wait()
        await self.power.run()

    async def price(self, request: Request) -> Response:
        zone = request.query_params.get("bzn", "DE-LU")
        if refusal := self._gate.refusal(self._world.faults, _PRICE):
            return refusal
        if zone not in self.prices:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown bidding zone {zone}.")
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        start = max(start, self._world.clock.now() - _PRICE_HISTORY)
        seen = self.prices[zone].visible(start, end + _SECOND)
        if seen.is_empty():
            return _detail(HTTPStatus.NOT_FOUND, "No content available for this period.")
        values = seen["price_eur_per_mwh"].to_list()
        if self._world.faults.take(_PRICE, FaultKind.BAD_ROW):
            values[-1] = _BAD_PRICE
        reply = {"license_info": "simulated", **_columns(seen["slot"], "price", values)}
        return await self._struck(_PRICE, JSONResponse({**reply, "unit": "EUR / MWh"}))

    async def frequencies(self, request: Request) -> Response:
        region = request.query_params.get("region", frequency.REGION)
        if refusal := self._gate.refusal(self._world.faults, _FREQUENCY):
            return refusal
        if region != frequency.REGION:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown region {region}.")
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        start = max(start, self._world.clock.now() - _FREQUENCY_HISTORY)
        seen = self.frequency.visible(start, min(end, self.frequency.reached) + _SECOND)
        values = seen["frequency_hz"].to_list()
        if values and self._world.faults.take(_FREQUENCY, FaultKind.BAD_ROW):
            values[-1] = _BAD_FREQUENCY
        reply = _columns(seen["slot"], "data", values)
        return await self._struck(_FREQUENCY, JSONResponse(reply))

    async def public_power(self, request: Request) -> Response:
        country = request.query_params.get("country", "de")
        if refusal := self._gate.refusal(self._world.faults, _POWER):
            return refusal
        if country not in public_power.KNOWN:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, f"Unknown country {country}.")
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        self._power_asked.set()
        await self.power.begun()
        reply = public_power.columns(self.power, country, start, end)
        if not reply["unix_seconds"]:
            return _detail(HTTPStatus.NOT_FOUND, "No content available for this period.")
        if self._world.faults.take(_POWER, FaultKind.BAD_ROW):
            reply["production_types"][-1]["data"][-1] = _BAD_POWER
        return await self._struck(_POWER, JSONResponse(reply))

    async def _struck(self, source: str, answer: Response) -> Response:
        return await struck(
            self._world.faults.take(source, *WIRE_FAULTS),
            answer,
            server_error=_detail(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error"),
            malformed=HTMLResponse("<html><body>We are down for maintenance.</body></html>"),
        )


class EnergyCharts:
    """Energy-Charts of the Fraunhofer ISE."""

    name = "energy_charts"
    models = frozenset({_PRICE, _FREQUENCY, _POWER})

    def __init__(self, world: World, *, countries: Sequence[str] = public_power.COUNTRIES) -> None:
        self._world = world
        self._service = _Service(world, countries)

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the public REST interface."""
        return {"https://api.energy-charts.info": f"{self._world.url}/{self.name}"}

    def routes(self) -> Sequence[BaseRoute]:
        """Return `/price`, `/frequency` and `/public_power`."""
        return [
            Route("/price", self._service.price),
            Route("/frequency", self._service.frequencies),
            Route("/public_power", self._service.public_power),
        ]

    async def run(self) -> None:
        """Move the markets on."""
        await self._service.run()


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
