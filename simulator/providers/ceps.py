"""ČEPS's data service on the wire: load, generation and imbalance of the Czech grid.

A SOAP service, version 1.1 and 1.2. It ignores unknown parts of a question and names the columns
in its answer. The world's data rate does not apply: a grid has one load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from typing import Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.faults import FaultKind
from simulator.http_faults import WIRE_FAULTS, RequestGate, struck
from simulator.http_provider import HttpProvider
from simulator.power_system import power_system
from simulator.power_system.told import power_told, zones_told
from simulator.soap import MEDIA_TYPES, SOAP_1_1, SOAP_1_2, read_call
from simulator.timeline import (
    Corrections,
    Timeline,
    Values,
    after_each,
    run_each,
)
from simulator.world import World

_LOAD: Final = "ceps_load"
_GENERATION: Final = "ceps_generation"
_IMBALANCE: Final = "ceps_imbalance"
_SOURCES: Final = {
    "Load": _LOAD,
    "Generation": _GENERATION,
    "AktualniSystemovaOdchylkaCR": _IMBALANCE,
}
_NAMESPACE: Final = "https://www.ceps.cz/CepsData/"
_PAYLOAD_NAMESPACE: Final = "https://www.ceps.cz/CepsData/StructuredData/1.0"
_WSDL: Final = files(__package__).joinpath("ceps.wsdl").read_bytes()

_MARKET_TIME: Final = "Europe/Prague"
_QUARTER: Final = timedelta(minutes=15)
_MINUTE: Final = timedelta(minutes=1)
_BAD_MEGAWATTS: Final = "99999.5"
_LOAD_SERIES: Final = {
    "load_including_pumping_mw": "Load including pumping [MW]",
    "load_mw": "Load [MW]",
}
_IMBALANCE_SERIES: Final = {"system_imbalance_mw": "Aktuální odchylka [MW]"}
_PLANTS: Final = {
    "thermal": ("TPP [MW]", ("lignite", "hard coal", "coal gas", "oil")),
    "combined_cycle_gas": ("CCGT [MW]", ("gas",)),
    "nuclear": ("NPP [MW]", ("nuclear",)),
    "hydro": ("HPP [MW]", ("river", "reservoir")),
    "pumped_storage": ("PsPP [MW]", ("pumped",)),
    "alternative": ("AltPP [MW]", ("biomass", "waste", "geothermal")),
    "autoproducer": ("ApPP [MW]", ("other",)),
    "wind": ("WPP [MW]", ("onshore",)),
    "solar": ("PVPP [MW]", ("solar",)),
}
"""The production types: the name that ČEPS gives each, and the plants in it."""
_ZONE: Final = "CZ"


@dataclass(frozen=True, slots=True)
class _Dataset:
    """One operation's data.

    Attributes:
        name: Its name in the reply.
        timeline: Its values, and when each is known.
        aggregation: The one aggregation that is simulated.
        series: Columns of the source's table, or values of its key, and the names of their series.
    """

    name: str
    timeline: Timeline
    aggregation: str
    series: Mapping[str, str]

    def wide(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return `delivery_start` and a column per series of what is visible of [start, end)."""
        rows = self.timeline.rows(self.timeline.visible(start, end))
        if "production_type" in rows.columns:
            rows = rows.pivot(on="production_type", index="delivery_start", values="generation_mw")
        return rows.select(
            "delivery_start", *(name for name in self.series if name in rows.columns)
        ).sort("delivery_start")


class Ceps(HttpProvider):
    """ČEPS, the Czech transmission system operator."""

    name = "ceps"
    models = frozenset({*_SOURCES.values()})
    hosts = ("https://www.ceps.cz",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._gate = RequestGate(5.0, burst=30, speed=world.request_speed)
        self._datasets = {
            "Load": _Dataset("Load", _load(world), "QH", _LOAD_SERIES),
            "Generation": _Dataset(
                "Generation",
                _generation(world),
                "QH",
                {plant: name for plant, (name, _) in _PLANTS.items()},
            ),
            "AktualniSystemovaOdchylkaCR": _Dataset(
                "Aktuální systémová odchylka ČR", _imbalance(world), "MI", _IMBALANCE_SERIES
            ),
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the service, and its WSDL by GET."""
        path = "/_layouts/CepsData.asmx"
        return [Route(path, self.wsdl), Route(path, self.call, methods=["POST"])]

    async def run(self) -> None:
        """Move the grid on."""
        await run_each(dataset.timeline for dataset in self._datasets.values())

    async def wsdl(self, request: Request) -> Response:
        """Answer `?WSDL`."""
        if "wsdl" not in {name.lower() for name in request.query_params}:
            return Response("Use POST, or ask for ?WSDL", HTTPStatus.BAD_REQUEST)
        return Response(_WSDL, media_type="text/xml")

    async def call(self, request: Request) -> Response:
        """Answer one operation in the version of SOAP that it came in."""
        version = SOAP_1_1
        try:
            asked = read_call(await request.body())
            version, operation, question = asked.version, asked.operation, asked.arguments
            source = _SOURCES[operation]
            start, end = _instant(question["dateFrom"]), _instant(question["dateTo"])
        except (KeyError, ValueError) as error:
            return _fault(version, f"Server was unable to read request. ---> {error}")
        action = request.headers.get("SOAPAction", "").strip('"')
        if version == SOAP_1_1 and action != f"{_NAMESPACE}{operation}":
            return _fault(version, f"Server did not recognize the HTTP Header SOAPAction: {action}")
        if refusal := self._gate.refusal(self._world.faults, source):
            return refusal
        return await struck(
            self._world.faults.take(source, *WIRE_FAULTS),
            self._answer(version, operation, question, start, end),
            server_error=_fault(version, "Server was unable to process request."),
            malformed=HTMLResponse("<html><body>The service is unavailable.</body></html>"),
        )

    def _answer(
        self,
        version: str,
        operation: str,
        question: Mapping[str, str],
        start: datetime,
        end: datetime,
    ) -> Response:
        source = _SOURCES[operation]
        dataset = self._datasets[operation]
        if question.get("agregation", dataset.aggregation) != dataset.aggregation:
            return _fault(version, f"Only {dataset.aggregation} is simulated.")
        # The end is included; slots are whole minutes.
        wide = dataset.wide(start, end + timedelta(seconds=1))
        spoil = not wide.is_empty() and self._world.faults.take(source, FaultKind.BAD_ROW)
        payload = _payload(dataset, question, wide, start, end, spoiled=bool(spoil))
        return _envelope(
            version,
            f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{payload}'
            f"</{operation}Result></{operation}Response>",
            HTTPStatus.OK,
        )


PROVIDER: Final = Ceps


def _load(world: World) -> Timeline:
    def rows(statements: pl.DataFrame) -> pl.DataFrame:
        """Return the load without pumping, and with it."""
        return _periods(statements, _QUARTER).with_columns(
            load_mw=statements["load_mw"],
            load_including_pumping_mw=(statements["load_mw"] + statements["pumping_mw"]).round(3),
        )

    system = power_system(world.seed)
    told = {
        "load_mw": power_told(system, [([_ZONE], {"load": 1.0})]),
        "pumping_mw": power_told(system, [([_ZONE], {"pumping": 1.0})]),
    }
    return Timeline(
        world=world,
        source=_LOAD,
        series=[{"area": "CZ"}],
        values=lambda _: {
            "load_mw": Values(lowest=0, decimals=3),
            "pumping_mw": Values(lowest=0, decimals=3),
        },
        truth=lambda name, numbers, seconds: told[name](name, numbers, seconds),
        resolution=_QUARTER,
        # The current quarter-hour is shown as well; its value is final shortly after its end.
        schedule=after_each(timedelta(minutes=8), timedelta(minutes=17)),
        reach=timedelta(hours=2),
        first_slot=lambda began: _asked_first(began - timedelta(days=1)),
        rows=rows,
        corrections=Corrections(share=0.03, after=timedelta(minutes=30)),
    )


def _generation(world: World) -> Timeline:
    return Timeline(
        world=world,
        source=_GENERATION,
        series=[{"production_type": plant} for plant in _PLANTS],
        values=lambda _: {"generation_mw": Values(lowest=0, decimals=3)},
        truth=power_told(
            power_system(world.seed),
            [([_ZONE], dict.fromkeys(plants, 1.0)) for _, plants in _PLANTS.values()],
        ),
        resolution=_QUARTER,
        schedule=after_each(timedelta(minutes=18)),
        reach=timedelta(hours=2),
        first_slot=lambda began: _asked_first(began - timedelta(days=1)),
        rows=lambda statements: _periods(statements, _QUARTER).with_columns(
            production_type=statements["production_type"],
            generation_mw=statements["generation_mw"],
        ),
        corrections=Corrections(share=0.03, after=timedelta(minutes=30)),
    )


def _imbalance(world: World) -> Timeline:
    return Timeline(
        world=world,
        source=_IMBALANCE,
        series=[{"area": "CZ"}],
        values=lambda _: {"system_imbalance_mw": Values(decimals=5)},
        truth=zones_told([_ZONE], power_system(world.seed).imbalance_mw),
        resolution=_MINUTE,
        schedule=after_each(timedelta(minutes=2)),
        reach=timedelta(hours=1),
        first_slot=lambda began: _asked_first(began - timedelta(hours=6)),
        rows=lambda statements: _periods(statements, _MINUTE).with_columns(
            system_imbalance_mw=statements["system_imbalance_mw"]
        ),
        corrections=Corrections(share=0.02, after=timedelta(minutes=10)),
    )


def _asked_first(instant: datetime) -> datetime:
    """Return the start of the three local hours of an instant: the feed asks for such blocks."""
    local = instant.astimezone(ZoneInfo(_MARKET_TIME))
    whole = local.replace(hour=local.hour // 3 * 3, minute=0, second=0, microsecond=0)
    return whole.astimezone(UTC)


def _periods(statements: pl.DataFrame, length: timedelta) -> pl.DataFrame:
    return statements.select(delivery_start="slot", delivery_end=pl.col("slot") + length)


def _instant(text: str) -> datetime:
    """Read an instant, local time if it has no offset; of a repeated hour the first one."""
    stamp = datetime.fromisoformat(text)
    return stamp.replace(tzinfo=stamp.tzinfo or ZoneInfo(_MARKET_TIME)).astimezone(UTC)


def _payload(  # noqa: PLR0913 (a reply repeats its whole question)
    dataset: _Dataset,
    question: Mapping[str, str],
    wide: pl.DataFrame,
    start: datetime,
    end: datetime,
    *,
    spoiled: bool,
) -> str:
    """Return the payload; values are attributes, with as many decimals as each needs."""
    said = {
        "name": dataset.name,
        "date_from": _local(start),
        "date_to": _local(end),
        "version": question.get("version"),
        "function": question.get("function", "AVG"),
        "aggregation": dataset.aggregation,
    }
    information = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in said.items() if value)
    keys = {column: f"value{number}" for number, column in enumerate(wide.columns[1:], start=1)}
    series = "".join(
        f'<serie id="{key}" name="{escape(dataset.series[column])}" />'
        for column, key in keys.items()
    )
    local = pl.col("delivery_start").dt.convert_time_zone(_MARKET_TIME)
    date = local.dt.strftime("%Y-%m-%dT%H:%M:%S%:z")
    values = [
        pl.format(f' {key}="{{}}"', pl.col(column).cast(pl.String).str.strip_suffix(".0"))
        for column, key in keys.items()
    ]
    items = wide.select(
        pl.concat_str(pl.format('<item date="{}"', date), *values, pl.lit(" />"))
    ).to_series()
    if spoiled:
        items[-1] = f'{items[-1].rpartition("value1=")[0]}value1="{_BAD_MEGAWATTS}" />'
    return (
        f'<root xmlns="{_PAYLOAD_NAMESPACE}"><information>{information}</information>'
        f"<series>{series}</series><data>{''.join(items)}</data></root>"
    )


def _local(instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(_MARKET_TIME)).isoformat()


def _fault(version: str, text: str) -> Response:
    if version == SOAP_1_2:
        fault = (
            "<e:Code><e:Value>e:Receiver</e:Value></e:Code>"
            f'<e:Reason><e:Text xml:lang="en">{escape(text)}</e:Text></e:Reason>'
        )
    else:
        fault = f"<faultcode>e:Server</faultcode><faultstring>{escape(text)}</faultstring>"
    content = f'<e:Fault xmlns:e="{version}">{fault}</e:Fault>'
    return _envelope(version, content, HTTPStatus.INTERNAL_SERVER_ERROR)


def _envelope(version: str, content: str, status: HTTPStatus) -> Response:
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{version}"><soap:Body>{content}</soap:Body></soap:Envelope>'
    )
    return Response(text, status, media_type=MEDIA_TYPES[version])
