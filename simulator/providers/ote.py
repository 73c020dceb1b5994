"""OTE's public data service on the wire: the Czech day-ahead and intraday market.

A SOAP service, version 1.1 and 1.2, which validates requests against its own WSDL.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from lxml import etree
from lxml.builder import ElementMaker
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.faults import FaultKind
from simulator.first_slots import whole_days
from simulator.http_faults import WIRE_FAULTS, RequestGate, struck
from simulator.http_provider import HttpProvider
from simulator.journal import Row
from simulator.market_days import day_start
from simulator.power_system import power_system
from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import NUMBERS
from simulator.soap import MEDIA_TYPES, SOAP_1_1, SOAP_1_2, Call, NoCallError, read_call
from simulator.timeline import Sayings, Timeline, Values, after_each, day_before, run_each
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
_ASKED_BACK: Final = timedelta(days=7)
"""How far back a feed asks at its start."""
_PUBLICATION: Final = time(13, 10)
_GATE_CLOSURE: Final = timedelta(minutes=5)
_TRADED_AHEAD: Final = timedelta(hours=4)
"""Trading in a period begins this long before its delivery."""
_TRADES: Final = 48
"""The number of trades in a period until its gate closes."""
_BAD_PRICE: Final = 99_999.0
_MIDNIGHT: Final = {"00": "24", "00:00": "24:00"}
_ENGLISH: Final = {"{http://www.w3.org/XML/1998/namespace}lang": "en"}


def day_ahead(world: World) -> Timeline:
    """Return the auction: tomorrow's prices appear shortly after noon."""
    price = power_system(world.seed).price
    volume = world.signal(f"{_DAY_AHEAD} volume", mean=800.0, daily=120.0, noise=200.0)

    def truth(name: str, series: Ints, seconds: Floats) -> Floats:
        if name == "volume_mwh":
            return volume.at(seconds)
        return price(np.full(series.shape, _ZONE), seconds)

    return Timeline(
        world=world,
        source=_DAY_AHEAD,
        series=[{"bidding_zone": "CZ"}],
        values=lambda _: {"price_eur_per_mwh": Values(), "volume_mwh": Values(decimals=3)},
        truth=truth,
        resolution=_QUARTER,
        schedule=day_before(_PUBLICATION, _MARKET_TIME.key),
        reach=timedelta(days=2),
        first_slot=whole_days(_ASKED_BACK, _MARKET_TIME),
        rows=_day_ahead_rows,
    )


def _day_ahead_rows(stated: pl.DataFrame) -> pl.DataFrame:
    """Return the auction's rows; each hour has the mean of its quarters, which come together."""
    # In whole cents: a sum of floats depends on its order, and so does what it is rounded to.
    cents = (pl.col("price_eur_per_mwh") * 100).round().cast(pl.Int64)
    hourly_cents = cents.sum().over(pl.col("slot").dt.truncate("1h")) / 4
    return stated.select(
        delivery_start="slot",
        delivery_end=pl.col("slot") + _QUARTER,
        price_eur_per_mwh="price_eur_per_mwh",
        hourly_price_eur_per_mwh=(hourly_cents.round() / 100).round(2),
        volume_mwh="volume_mwh",
        emergency_state=pl.lit(None, pl.String),
    )


def intraday(world: World) -> Timeline:
    """Return continuous trading: a period's mean price and volume move until its gate closes."""
    traded_after = _trades(world)
    return Timeline(
        world=world,
        source=_INTRADAY,
        series=[{"bidding_zone": "CZ"}],
        values=lambda _: {"price_eur_per_mwh": Values(), "volume_mwh": Values(decimals=3)},
        sayings=_traded(world, traded_after),
        resolution=_QUARTER,
        schedule=after_each(*(timedelta(seconds=int(delay)) for delay in traded_after)),
        reach=_TRADED_AHEAD,
        first_slot=whole_days(_ASKED_BACK, _MARKET_TIME),
        rows=lambda stated: stated.select(
            delivery_start="slot",
            delivery_end=pl.col("slot") + _QUARTER,
            price_eur_per_mwh="price_eur_per_mwh",
            volume_mwh="volume_mwh",
            emergency_state=pl.lit(None, pl.String),
        ),
    )


def _trades(world: World) -> Ints:
    """Return when a period is traded, in seconds after its start: all before its gate closes."""
    opens, closes = -_TRADED_AHEAD.total_seconds(), -_GATE_CLOSURE.total_seconds()
    later = np.arange(int(opens) + 1, int(closes))
    chosen = np.random.default_rng(world.seed).choice(later, _TRADES - 1, replace=False)
    return np.sort(np.append(chosen, int(opens)))


def _traded(world: World, traded_after: Ints) -> Sayings:
    """Return the mean price and the volume of all trades of a period up to one of them."""
    system = power_system(world.seed)
    level = world.signal(f"{_INTRADAY} volume", mean=1.0, noise=0.5)
    sizes = np.random.default_rng(world.seed).uniform(0.1, 25.0, _TRADES)
    traded = sizes.cumsum()

    def sayings(name: str, statements: pl.DataFrame) -> Floats:
        seconds = statements["slot"].dt.epoch("s").to_numpy().astype(float)
        last = np.maximum(statements["revision"].to_numpy(), 0)
        if name == "volume_mwh":
            return np.asarray(traded[last] * level.at(seconds))
        slots, which = np.unique(seconds, return_inverse=True)
        starts = np.repeat(slots, _TRADES)
        at = starts + np.tile(traded_after, slots.size)
        prices = system.intraday_price(np.full(starts.shape, _ZONE), starts, at)
        means = (prices.reshape(-1, _TRADES) * sizes).cumsum(axis=1) / traded
        return np.asarray(means[which, last])

    return sayings


class Ote(HttpProvider):
    """OTE, the Czech market operator."""

    name = "ote"
    models = frozenset({_DAY_AHEAD, _INTRADAY})
    hosts = ("https://www.ote-cr.cz",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.day_ahead = day_ahead(world)
        self.intraday = intraday(world)
        self._gate = RequestGate(10.0, burst=50, speed=world.request_speed)
        types = etree.fromstring(_WSDL).iter("{http://www.w3.org/2001/XMLSchema}schema")
        self._schema = etree.XMLSchema(next(types))

    def routes(self) -> Sequence[BaseRoute]:
        """Return the service, and its WSDL by GET, at both paths in use."""
        return [
            route
            for path in ("/pw-data/services/PublicDataService", "/services/PublicDataService")
            for route in (
                Route(path, self.wsdl),
                Route(path, self.call, methods=["POST"]),
            )
        ]

    async def run(self) -> None:
        """Move both markets on."""
        await run_each((self.day_ahead, self.intraday))

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

    def _asked(self, market: Timeline, question: Mapping[str, str]) -> Sequence[Row]:
        """Return the rows of the days asked for; the service silently leaves out all after 31."""
        first = date.fromisoformat(question["StartDate"])
        last = min(date.fromisoformat(question["EndDate"]), first + timedelta(days=_MOST_DAYS - 1))
        oldest = (self._world.clock.now() - _HISTORY).astimezone(_MARKET_TIME).date()
        start = day_start(max(first, oldest), _MARKET_TIME)
        end = day_start(last + timedelta(days=1), _MARKET_TIME)
        return market.rows(market.visible(start, end).sort("slot")).to_dicts()


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
