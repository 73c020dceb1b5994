"""OTE's public data service as it is met on the wire: the Czech day-ahead and intraday market.

A SOAP service, version 1.1 and 1.2, that checks what it is asked against its own WSDL.
"""

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from importlib.resources import files
from operator import itemgetter
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from lxml import etree
from lxml.builder import ElementMaker
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.board import Board, beats
from simulator.faults import FaultKind
from simulator.http_faults import WIRE_FAULTS, RequestGate, struck
from simulator.journal import Row
from simulator.market_days import day_start, eve, period_starts
from simulator.power_system import power_system
from simulator.power_system.system import NUMBERS
from simulator.soap import MEDIA_TYPES, SOAP_1_1, SOAP_1_2, Call, NoCallError, read_call
from simulator.world import World

_DAY_AHEAD: Final = "ote_day_ahead_price"
_INTRADAY: Final = "ote_intraday_price"
_SOURCES: Final = {"GetDamPricePeriodE": _DAY_AHEAD, "GetImPricePeriodE": _INTRADAY}
_NAMESPACE: Final = "http://www.ote-cr.cz/schema/service/public"
_WSDL: Final = files(__package__).joinpath("ote.wsdl").read_bytes()

_MARKET_TIME: Final = ZoneInfo("Europe/Prague")
_ZONE: Final = NUMBERS["CZ"]
_QUARTER: Final = timedelta(minutes=15)
_MOST_DAYS: Final = 31
_HISTORY: Final = timedelta(days=3 * 366)
_PUBLICATION: Final = time(13, 10)
_GATE_CLOSURE: Final = timedelta(minutes=5)
_TRADED_AHEAD: Final = timedelta(hours=4)
"""How far before its delivery a period is traded for the most part."""
_BAD_PRICE: Final = 99_999.0
_MIDNIGHT: Final = {"00": "24", "00:00": "24:00"}
_ENGLISH: Final = {"{http://www.w3.org/XML/1998/namespace}lang": "en"}


class _DayAhead:
    """The auction: tomorrow's prices appear at noon."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._system = power_system(world.seed)
        self._volume = world.signal(f"{_DAY_AHEAD} volume", mean=800.0, daily=120.0, noise=200.0)
        self.board = Board(world, _DAY_AHEAD, ("delivery_start",))

    async def run(self) -> None:
        """Publish, beat by beat."""
        async for beat in beats(self._world.clock, self._world.pace.beat, self.board.shown_at):
            today = beat.astimezone(_MARKET_TIME).date()
            for day in (today, today + timedelta(days=1)):
                shown = self.board.get(day_start(day, _MARKET_TIME)) is not None
                if beat >= eve(day, _PUBLICATION, _MARKET_TIME) and not shown:
                    self.board.show(self._day(day), beat)

    def past_day(self, day: date) -> Iterator[Row]:
        """Yield the rows of a day before the world began."""
        yield from self._day(day)

    def _day(self, day: date) -> Iterator[Row]:
        starts = period_starts(day, _MARKET_TIME, _QUARTER)
        epochs = np.array([start.timestamp() for start in starts])
        prices = self._system.price(np.full(epochs.shape, _ZONE), epochs).round(2).tolist()
        volumes = self._volume.at(epochs).round(3).tolist()
        for first in range(0, len(starts), 4):
            hour = slice(first, first + 4)
            yield from _hour(starts[first], prices[hour], volumes[hour])


def _hour(start: datetime, prices: Sequence[float], volumes: Sequence[float]) -> Iterator[Row]:
    mean = round(sum(prices) / len(prices), 2)
    for number, (price, volume) in enumerate(zip(prices, volumes, strict=True)):
        yield {
            "delivery_start": start + number * _QUARTER,
            "delivery_end": start + (number + 1) * _QUARTER,
            "price_eur_per_mwh": price,
            "hourly_price_eur_per_mwh": mean,
            "volume_mwh": volume,
            "emergency_state": None,
        }


class _Intraday:
    """Continuous trading: mean price and volume of a period move until its gate closes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._system = power_system(world.seed)
        self.board = Board(world, _INTRADAY, ("delivery_start",))

    async def run(self) -> None:
        """Trade, beat by beat."""
        async for beat in beats(self._world.clock, self._world.pace.beat, self.board.shown_at):
            self.board.show(self._trades(beat), beat)

    def past_day(self, day: date) -> Iterator[Row]:
        """Yield the rows of a day before the world began: each period traded once."""
        for start in period_starts(day, _MARKET_TIME, _QUARTER):
            random = _random(self._world, _INTRADAY, start)
            yield self._after_trade(start, start, float(random.uniform(50.0, 400.0)))

    def _trades(self, now: datetime) -> Iterator[Row]:
        """Yield periods traded for the first time, and two whose mean has moved."""
        random = _random(self._world, _INTRADAY, now)
        today = now.astimezone(_MARKET_TIME).date()
        days = (today, today + timedelta(days=1))
        starts = [start for day in days for start in period_starts(day, _MARKET_TIME, _QUARTER)]
        traded = [start for start in starts if start <= now + _TRADED_AHEAD]
        new = [start for start in traded if self.board.get(start) is None]
        still_open = [start for start in traded if start > now + _GATE_CLOSURE]
        for start in [*new, *random.choice(np.array(still_open, dtype=object), 2, replace=False)]:
            yield self._after_trade(start, now, float(random.uniform(0.1, 25.0)))

    def _after_trade(self, start: datetime, now: datetime, volume: float) -> Row:
        """Return a period after one more trade, at the price that it is worth now."""
        seconds, at = np.array([start.timestamp()]), np.array([now.timestamp()])
        price = float(self._system.intraday_price(np.array([_ZONE]), seconds, at)[0])
        before = self.board.get(start)
        traded = before["volume_mwh"] if before else 0.0
        turnover = (before["price_eur_per_mwh"] * traded if before else 0.0) + price * volume
        return {
            "delivery_start": start,
            "delivery_end": start + _QUARTER,
            "price_eur_per_mwh": round(turnover / (traded + volume), 2),
            "volume_mwh": round(traded + volume, 3),
            "emergency_state": None,
        }


def _random(world: World, source: str, now: datetime) -> np.random.Generator:
    return np.random.default_rng([world.seed, zlib.crc32(source.encode()), int(now.timestamp())])


class _Service:
    """The SOAP service in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.day_ahead = _DayAhead(world)
        self.intraday = _Intraday(world)
        self._gate = RequestGate(10.0, burst=50, speed=world.request_speed)
        types = etree.fromstring(_WSDL).iter("{http://www.w3.org/2001/XMLSchema}schema")
        self._schema = etree.XMLSchema(next(types))

    async def run(self) -> None:
        """Move both markets on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.day_ahead.run())
            tasks.create_task(self.intraday.run())

    async def wsdl(self, request: Request) -> Response:
        """Answer `?wsdl`."""
        if "wsdl" not in request.query_params:
            return Response("Use POST, or ask for ?wsdl", HTTPStatus.BAD_REQUEST)
        return Response(_WSDL, media_type="text/xml")

    async def call(self, request: Request) -> Response:
        """Answer one operation in the version of SOAP that it came in."""
        version = SOAP_1_1
        try:
            asked = read_call(await request.body())
            version, operation = asked.version, asked.operation
            self._schema.assertValid(asked.content)
        except (NoCallError, etree.DocumentInvalid) as error:
            return _fault(version, f"The request is not valid: {error}")
        action = request.headers.get("SOAPAction", "").strip('"')
        if action not in ("", f"{_NAMESPACE}/{operation}"):
            return _fault(version, f"The action {action} is not {operation}")
        source = _SOURCES[operation]
        if refusal := self._gate.refusal(self._world.faults, source):
            return refusal
        return await struck(
            self._world.faults.take(source, *WIRE_FAULTS),
            self._answer(asked, source),
            server_error=_fault(version, "Internal error"),
            malformed=HTMLResponse("<html><body>Application is not available</body></html>"),
        )

    def _answer(self, asked: Call, source: str) -> Response:
        question = asked.arguments
        if asked.operation == "GetDamPricePeriodE":
            items = _day_ahead_items(self._asked(self.day_ahead, question), question)
        else:
            items = _intraday_items(self._asked(self.intraday, question))
        wanted = [item for item in items if _in_periods(item, question)]
        if wanted and self._world.faults.take(source, FaultKind.BAD_ROW):
            wanted[-1]["Price"] = f"{_BAD_PRICE:.2f}"
        return _reply(asked.version, asked.operation, wanted)

    def _asked(self, market: "_DayAhead | _Intraday", question: Mapping[str, str]) -> list[Row]:
        """Return the rows of the days asked for; more than 31 are cut off without a word.

        Past days become visible when they are first asked for.
        """
        first = date.fromisoformat(question["StartDate"])
        last = min(date.fromisoformat(question["EndDate"]), first + timedelta(days=_MOST_DAYS - 1))
        now = self._world.clock.now()
        today = now.astimezone(_MARKET_TIME).date()
        for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
            shown = market.board.get(day_start(day, _MARKET_TIME)) is not None
            if today - _HISTORY <= day < today and not shown:
                market.board.show(market.past_day(day), now)
        start = day_start(first, _MARKET_TIME)
        end = day_start(last + timedelta(days=1), _MARKET_TIME)
        inside = [row for row in market.board.rows() if start <= row["delivery_start"] < end]
        return sorted(inside, key=itemgetter("delivery_start"))


class Ote:
    """OTE, the Czech market operator."""

    name = "ote"
    models = frozenset({_DAY_AHEAD, _INTRADAY})

    def __init__(self, world: World) -> None:
        self._world = world
        self._service = _Service(world)

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the web site that the service is a part of."""
        return {"https://www.ote-cr.cz": f"{self._world.url}/{self.name}"}

    def routes(self) -> Sequence[BaseRoute]:
        """Return the service, and its WSDL by GET, at both paths in use."""
        return [
            route
            for path in ("/pw-data/services/PublicDataService", "/services/PublicDataService")
            for route in (
                Route(path, self._service.wsdl),
                Route(path, self._service.call, methods=["POST"]),
            )
        ]

    async def run(self) -> None:
        """Move both markets on."""
        await self._service.run()


PROVIDER: Final = Ote

_Item = dict[str, str]
"""The elements of an `Item`, in order."""


def _in_periods(item: _Item, question: Mapping[str, str]) -> bool:
    first, last = question.get("StartPeriod", "1"), question.get("EndPeriod", "100")
    return int(first) <= int(item["PeriodIndex"]) <= int(last)


def _placed(row: Row, resolution: timedelta) -> _Item:
    start = row["delivery_start"]
    day = start.astimezone(_MARKET_TIME).date()
    index = (start - day_start(day, _MARKET_TIME)) // resolution + 1
    minutes = resolution // timedelta(minutes=1)
    return {
        "Date": day.isoformat(),
        "PeriodResolution": f"PT{minutes}M",
        "PeriodIndex": str(index),
    }


def _day_ahead_items(rows: Sequence[Row], question: Mapping[str, str]) -> list[_Item]:
    if question["PeriodResolution"] == "PT15M":
        return [
            {
                **_placed(row, _QUARTER),
                "PeriodInterval": _interval(row["delivery_start"], _QUARTER),
                "Price": f"{row['price_eur_per_mwh']:.2f}",
                "HourlyPrice": f"{row['hourly_price_eur_per_mwh']:.2f}",
                "VolumeTotal": f"{row['volume_mwh']:.3f}",
            }
            for row in rows
        ]
    hour = timedelta(hours=1)
    return [
        {
            **_placed(quarters[0], hour),
            "PeriodInterval": _interval(quarters[0]["delivery_start"], hour),
            "Price": f"{quarters[0]['hourly_price_eur_per_mwh']:.2f}",
            "VolumeTotal": f"{sum(row['volume_mwh'] for row in quarters):.3f}",
        }
        for quarters in (rows[first : first + 4] for first in range(0, len(rows), 4))
    ]


def _intraday_items(rows: Sequence[Row]) -> list[_Item]:
    return [
        {
            **_placed(row, _QUARTER),
            "Price": f"{row['price_eur_per_mwh']:.2f}",
            "Volume": f"{row['volume_mwh']:.3f}",
        }
        for row in rows
    ]


def _interval(start: datetime, resolution: timedelta) -> str:
    """Return a period's label in local time; the day ends at 24:00, and hours have no minutes."""
    clock = "%H" if resolution == timedelta(hours=1) else "%H:%M"
    end = (start + resolution).astimezone(_MARKET_TIME).strftime(clock)
    return f"{start.astimezone(_MARKET_TIME):{clock}}-{_MIDNIGHT.get(end, end)}"


def _reply(version: str, operation: str, items: Iterable[_Item]) -> Response:
    public = ElementMaker(namespace=_NAMESPACE, nsmap={None: _NAMESPACE})
    result = public.Result(
        *(public.Item(*(public(name, text) for name, text in item.items())) for item in items)
    )
    return _envelope(version, public(f"{operation}Response", result), HTTPStatus.OK)


def _fault(version: str, text: str) -> Response:
    soap = ElementMaker(namespace=version, nsmap={"SOAP-ENV": version})
    if version == SOAP_1_2:
        fault = soap.Fault(
            soap.Code(soap.Value("SOAP-ENV:Receiver")), soap.Reason(soap.Text(text, _ENGLISH))
        )
    else:
        plain = ElementMaker()
        fault = soap.Fault(plain.faultcode("SOAP-ENV:Server"), plain.faultstring(text))
    return _envelope(version, fault, HTTPStatus.INTERNAL_SERVER_ERROR)


def _envelope(version: str, content: etree._Element, status: HTTPStatus) -> Response:
    soap = ElementMaker(namespace=version, nsmap={"SOAP-ENV": version})
    envelope = soap.Envelope(soap.Body(content))
    if version == SOAP_1_1:
        # The real service claims an encoding that it does not use.
        envelope.set(f"{{{version}}}encodingStyle", "http://schemas.xmlsoap.org/soap/encoding/")
    body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return Response(body, status, media_type=MEDIA_TYPES[version])
