"""The REST interface of Energy-Charts: day-ahead prices, the grid's frequency, public power.

The world's data rate has no hold here: a grid has one frequency a second, a zone one auction a day.
"""

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from operator import itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.board import Board, beats, with_instants
from simulator.faults import FaultKind
from simulator.http_faults import WIRE_FAULTS, RequestGate, struck
from simulator.journal import Row
from simulator.market_days import day_start, eve, period_starts
from simulator.power_system import power_system
from simulator.power_system.system import NUMBERS
from simulator.providers.energy_charts import public_power
from simulator.world import World

_PRICE: Final = "energy_charts_price"
_FREQUENCY: Final = "energy_charts_frequency"
_POWER: Final = public_power.SOURCE
_REGION: Final = "DE-Freiburg"
_MARKET_TIME: Final = ZoneInfo("Europe/Berlin")
_HOURLY_ZONES: Final = ("CH",)
_ZONES: Final = ("DE-LU", "AT", "BE", "CH", "CZ", "DK1", "FR", "HU", "NL", "PL")

_FIRST_PUBLICATION: Final = time(12, 45)
_PUBLICATION_SPREAD_SECONDS: Final = 15 * 60
_SECOND: Final = timedelta(seconds=1)
_PRICE_HISTORY: Final = timedelta(days=3 * 366)
_FREQUENCY_HISTORY: Final = timedelta(days=366)
_FIRST_MINUTE: Final = timedelta(minutes=1)
"""How much frequency there is to see when a world begins, before anybody asks for more."""
_BAD_PRICE: Final = 99_999.0
_BAD_FREQUENCY: Final = 5.0
_BAD_POWER: Final = 9e9


class _Prices:
    """The auction: a day's prices appear the day before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._system = power_system(world.seed)
        self.board = Board(world, _PRICE, ("bidding_zone", "delivery_start"))

    async def run(self) -> None:
        async for beat in beats(self._world.clock, self._world.pace.beat, self.board.shown_at):
            today = beat.astimezone(_MARKET_TIME).date()
            for day in (today, today + timedelta(days=1)):
                self.board.show(self._publications(day, beat), beat)

    def rows(self, zone: str, start: datetime, end: datetime) -> list[Row]:
        """Return the visible prices of a zone that begin from `start` to `end`, both included.

        Past days become visible when they are first asked for.
        """
        now = self._world.clock.now()
        today = now.astimezone(_MARKET_TIME).date()
        day = max(start, now - _PRICE_HISTORY).astimezone(_MARKET_TIME).date()
        last = min(end.astimezone(_MARKET_TIME).date(), today - timedelta(days=1))
        while day <= last:
            if self.board.get(zone, day_start(day, _MARKET_TIME)) is None:
                self.board.show(self._day(zone, day), now)
            day += timedelta(days=1)
        shown = (row for row in self.board.rows() if row["bidding_zone"] == zone)
        inside = [row for row in shown if start <= row["delivery_start"] <= end]
        return sorted(inside, key=itemgetter("delivery_start"))

    def _publications(self, day: date, now: datetime) -> Iterator[Row]:
        """Yield the prices of a market day in the zones whose auction is over and not shown yet."""
        for zone in _ZONES:
            shown = self.board.get(zone, day_start(day, _MARKET_TIME)) is not None
            if now >= _publication(zone, day) and not shown:
                yield from self._day(zone, day)

    def _day(self, zone: str, day: date) -> Iterator[Row]:
        resolution = timedelta(hours=1) if zone in _HOURLY_ZONES else timedelta(minutes=15)
        starts = period_starts(day, _MARKET_TIME, resolution)
        seconds = np.array([start.timestamp() for start in starts])
        prices = self._system.price(np.full(seconds.shape, NUMBERS[zone]), seconds)
        for start, price in zip(starts, prices, strict=True):
            yield {
                "delivery_start": start,
                "delivery_end": start + resolution,
                "bidding_zone": zone,
                "price_eur_per_mwh": round(float(price), 2),
            }


class _Frequency:
    """The grid: one value a second, each visible in its own second."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._signal = world.signal(_FREQUENCY, mean=50.0, noise=0.12)
        self._past: list[tuple[datetime, datetime]] = []
        """Seconds before `first` that somebody has been shown: first and last of each stretch."""
        self.first: datetime | None = None
        self.last: datetime | None = None
        for emission in world.journal.emissions(_FREQUENCY):
            instants = [with_instants(row)["observed_at"] for row in emission.rows]
            if instants[-1] < emission.market_at.replace(microsecond=0):
                self._past.append((instants[0], instants[-1]))
            else:
                self.first = self.first or instants[0]
                self.last = instants[-1]

    async def run(self) -> None:
        every = timedelta(seconds=max(1.0, self._world.clock.speed))
        async for beat in beats(self._world.clock, every, self.last):
            second = beat.replace(microsecond=0)
            since = (
                second - _FIRST_MINUTE if self.last is None else self.last + timedelta(seconds=1)
            )
            self._world.journal.emit(_FREQUENCY, beat, self._rows(since, second))
            self.first, self.last = self.first or since, second

    def visible(self, start: datetime, end: datetime) -> list[Row]:
        """Return the seconds from `start` to `end`, both included, as far as they are there.

        Seconds before the world began become visible when they are first asked for.
        """
        if self.first is None or self.last is None:
            return []
        now = self._world.clock.now()
        start = max(start, now - _FREQUENCY_HISTORY).replace(microsecond=0)
        for stretch in self._never_shown(start, min(end, self.first - _SECOND)):
            self._world.journal.emit(_FREQUENCY, now, self._rows(*stretch))
            self._past.append(stretch)
        return self._rows(start, min(end, self.last))

    def _never_shown(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Return the stretches from `start` to `end`, both included, that nobody has seen yet."""
        stretches = []
        for first, last in sorted([*self._past, (end + _SECOND, end)]):
            until = min(first - _SECOND, end)
            if start <= until:
                stretches.append((start, until))
            start = max(start, last + _SECOND)
        return stretches

    def _rows(self, start: datetime, end: datetime) -> list[Row]:
        epochs = np.arange(np.ceil(start.timestamp()), end.timestamp() + 0.5)
        return [
            {
                "observed_at": datetime.fromtimestamp(epoch, UTC),
                "region": _REGION,
                "frequency_hz": round(float(value), 3),
            }
            for epoch, value in zip(epochs, self._signal.at(epochs), strict=True)
        ]


class _Service:
    """The REST interface in one world."""

    def __init__(self, world: World, countries: Sequence[str]) -> None:
        self._world = world
        self.prices = _Prices(world)
        self.frequency = _Frequency(world)
        self.power = public_power.public_power(world, countries)
        self._power_asked = asyncio.Event()
        self._gate = RequestGate(2.0, burst=20, speed=world.request_speed)

    async def run(self) -> None:
        """Move the markets on."""
        async with asyncio.TaskGroup() as tasks:
            for run in (self.prices.run, self.frequency.run, self._run_power):
                tasks.create_task(run())

    async def _run_power(self) -> None:
        """Move public power on once somebody looks: its journal is by far the longest."""
        await self._power_asked.wait()
        await self.power.run()

    async def price(self, request: Request) -> Response:
        zone = request.query_params.get("bzn", "DE-LU")
        if refusal := self._gate.refusal(self._world.faults, _PRICE):
            return refusal
        if zone not in _ZONES:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown bidding zone {zone}.")
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        rows = self.prices.rows(zone, start, end)
        if not rows:
            return _detail(HTTPStatus.NOT_FOUND, "No content available for this period.")
        times = [row["delivery_start"] for row in rows]
        prices = [row["price_eur_per_mwh"] for row in rows]
        if self._world.faults.take(_PRICE, FaultKind.BAD_ROW):
            prices[-1] = _BAD_PRICE
        reply = {"license_info": "simulated", **_columns(times, "price", prices)}
        return await self._struck(_PRICE, JSONResponse({**reply, "unit": "EUR / MWh"}))

    async def frequencies(self, request: Request) -> Response:
        region = request.query_params.get("region", _REGION)
        if refusal := self._gate.refusal(self._world.faults, _FREQUENCY):
            return refusal
        if region != _REGION:
            return _detail(HTTPStatus.BAD_REQUEST, f"Unknown region {region}.")
        try:
            start, end = _window(request.query_params, self._world.clock.now())
        except ValueError as error:
            return _detail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        rows = self.frequency.visible(start, end)
        values = [row["frequency_hz"] for row in rows]
        if values and self._world.faults.take(_FREQUENCY, FaultKind.BAD_ROW):
            values[-1] = _BAD_FREQUENCY
        times = [row["observed_at"] for row in rows]
        return await self._struck(_FREQUENCY, JSONResponse(_columns(times, "data", values)))

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


def _publication(zone: str, day: date) -> datetime:
    """Return when the prices of a market day appear: each zone at its own minute."""
    delay = timedelta(seconds=zlib.crc32(zone.encode()) % _PUBLICATION_SPREAD_SECONDS)
    return eve(day, _FIRST_PUBLICATION, _MARKET_TIME) + delay


def _window(params: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    """Read `start` and `end`, both included: unix seconds, a local date, or an ISO 8601 stamp.

    Raises:
        ValueError: One of them is none of these.
    """
    today = now.astimezone(_MARKET_TIME).date().isoformat()
    start, end = params.get("start", today), params.get("end", today)
    return _instant(start, whole_day=False), _instant(end, whole_day=True)


def _instant(text: str, *, whole_day: bool) -> datetime:
    if text.isdecimal() and len(text) > len("20251026"):
        return datetime.fromtimestamp(int(text), UTC)
    if "T" not in text:
        day = date.fromisoformat(text) + timedelta(days=whole_day)
        return day_start(day, _MARKET_TIME) - timedelta(seconds=whole_day)
    stamp = datetime.fromisoformat(text)
    return stamp.replace(tzinfo=stamp.tzinfo or _MARKET_TIME).astimezone(UTC)


def _columns(times: Sequence[datetime], name: str, values: Sequence[float]) -> dict[str, Any]:
    seconds = [int(instant.timestamp()) for instant in times]
    return {"unix_seconds": seconds, name: values, "deprecated": False}


def _detail(status: HTTPStatus, text: str) -> Response:
    return JSONResponse({"detail": text}, status_code=status)
