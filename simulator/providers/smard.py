"""SMARD on the wire: an index of weeks, and files of one week of one series each.

A file has all slots of its local week, with nulls for the future, and is always rewritten as a
whole. A new week is listed a little before its file exists. Only quarter-hours are simulated. For
nuclear power, which has ended, there is only the index.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.first_slots import so_long_before
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.market_days import day_start
from simulator.power_system import power_system
from simulator.power_system.told import power_told, zones_told
from simulator.timeline import (
    Corrections,
    Timeline,
    Values,
    after_each,
    day_before,
    run_each,
)
from simulator.world import World

_GENERATION: Final = "smard_generation"
_PRICE: Final = "smard_price"
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_SLOT: Final = timedelta(minutes=15)
_WEEK: Final = timedelta(days=7)
_ASKED_BACK: Final = timedelta(days=17)
"""As far back as the files of a feed's first round go: nine days, and the week before that."""

_FIRST_WEEK: Final = date(2018, 10, 1)
_LAST_NUCLEAR_INSTANT: Final = datetime(2023, 4, 15, 22, tzinfo=UTC)
_NUCLEAR: Final = "1224"
_JSON: Final = "application/json"
_LISTED: Final = timedelta(hours=12, minutes=30)
_OPENED: Final = timedelta(hours=12)
"""A week is listed, and has a file, this long before it begins."""

_HOURS_A_SLOT: Final = 0.25
_TYPES: Final = {
    "1223": ("lignite", ("lignite",)),
    "1225": ("wind offshore", ("offshore",)),
    "1226": ("hydro", ("river", "reservoir")),
    "1227": ("other conventional", ("coal gas", "oil", "waste", "other")),
    "1228": ("other renewable", ("geothermal",)),
    "4066": ("biomass", ("biomass",)),
    "4067": ("wind onshore", ("onshore",)),
    "4068": ("photovoltaics", ("solar",)),
    "4069": ("hard coal", ("hard coal",)),
    "4070": ("pumped storage", ("pumped",)),
    "4071": ("gas", ("gas",)),
}
"""The production types: SMARD's name of each, and the plants in it."""
_ZONES: Final = {
    "4169": "DE-LU", "4170": "AT", "4996": "BE", "4997": "NO2", "252": "DK1", "253": "DK2",
    "254": "FR", "255": "IT-North", "256": "NL", "257": "PL", "259": "CH", "260": "SI",
    "261": "CZ", "262": "HU",
}  # fmt: skip
_BAD: Final = 999_999.0


def _generation(world: World) -> Timeline:
    """Return the energy of each type: known an hour after each slot, some of it corrected."""
    return Timeline(
        world=world,
        source=_GENERATION,
        series=[{"filter": filter_} for filter_ in _TYPES],
        values=lambda _: {"value": Values(lowest=0)},
        truth=power_told(
            power_system(world.seed),
            [(["DE-LU"], dict.fromkeys(plants, _HOURS_A_SLOT)) for _, plants in _TYPES.values()],
        ),
        resolution=_SLOT,
        schedule=after_each(timedelta(hours=1)),
        reach=timedelta(hours=8),
        first_slot=so_long_before(_ASKED_BACK),
        rows=lambda stated: _rows(stated).select(
            pl.exclude("filter", "value"),
            region=pl.lit("DE"),
            production_type=pl.col("filter").replace_strict(
                {filter_: name for filter_, (name, _) in _TYPES.items()}
            ),
            generation_mwh="value",
        ),
        corrections=Corrections(share=0.05, after=timedelta(hours=6)),
    )


def _prices(world: World) -> Timeline:
    """Return each zone's auction: its prices appear the day before."""
    return Timeline(
        world=world,
        source=_PRICE,
        series=[{"filter": filter_} for filter_ in _ZONES],
        values=lambda _: {"value": Values()},
        truth=zones_told([*_ZONES.values()], power_system(world.seed).price),
        resolution=_SLOT,
        schedule=day_before(time(13, 30), _BERLIN.key),
        reach=timedelta(days=3),
        first_slot=so_long_before(_ASKED_BACK),
        rows=lambda stated: _rows(stated).select(
            pl.exclude("filter", "value"),
            bidding_zone=pl.col("filter").replace_strict(_ZONES),
            price_eur_per_mwh="value",
        ),
    )


def _rows(stated: pl.DataFrame) -> pl.DataFrame:
    return stated.select(
        "filter",
        "value",
        delivery_start="slot",
        delivery_end=pl.col("slot") + _SLOT,
        published_at="stated_at",
    )


class Smard(HttpProvider):
    """SMARD, the market data of the Bundesnetzagentur."""

    name = "smard"
    models = frozenset({_GENERATION, _PRICE})
    hosts = ("https://www.smard.de",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.timelines = {_GENERATION: _generation(world), _PRICE: _prices(world)}
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(20.0, burst=200, speed=world.request_speed),
            server_error=partial(HTMLResponse, "<h1>Internal error</h1>", 500),
            malformed=partial(HTMLResponse, "<html><body>Wartungsarbeiten</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return the folders of the chart data."""
        return [Route("/app/chart_data/{filter}/{region}/{name}", self.answer)]

    async def run(self) -> None:
        """Move the markets on."""
        await run_each(self.timelines.values())

    async def answer(self, request: Request) -> Response:
        """Answer for an index or a file; faults strike files alone, since only these hold rows."""
        filter_, region, name = (request.path_params[part] for part in ("filter", "region", "name"))
        source = _PRICE if filter_ in _ZONES else _GENERATION
        regions = ("DE", "DE-LU") if source == _PRICE else ("DE",)
        if filter_ not in {*_TYPES, *_ZONES, _NUCLEAR} or region not in regions:
            return _not_found()
        now = self.timelines[source].reached
        if name == "index_quarterhour.json":
            weeks = _weeks(_LAST_NUCLEAR_INSTANT if filter_ == _NUCLEAR else now + _LISTED)
            return JSONResponse({"timestamps": [_milliseconds(week) for week in weeks]})
        asked = re.fullmatch(rf"{filter_}_{region}_quarterhour_(\d+)\.json", name)
        weeks = _weeks(now + _OPENED) if filter_ != _NUCLEAR else []
        week = next((w for w in weeks if asked and _milliseconds(w) == int(asked[1])), None)
        if week is None:
            return _not_found()
        return await self._desk.answer(source, lambda: self._file(source, filter_, week))

    def _file(self, source: str, filter_: str, week: datetime) -> Response:
        end = day_start(week.astimezone(_BERLIN).date() + _WEEK, _BERLIN)
        seen = self.timelines[source].visible(week, end, filter=filter_)
        stamps = range(_milliseconds(week), _milliseconds(end), _SLOT // timedelta(milliseconds=1))
        values = dict(zip(seen["slot"].dt.epoch("ms"), seen["value"], strict=True))
        if values and self._desk.bad_row(source):
            values[max(values)] = _BAD
        written = seen["stated_at"].dt.epoch("ms").max() or _milliseconds(week - _OPENED)
        chart = {
            "meta_data": {"version": 1, "created": written},
            "series": [[stamp, values.get(stamp)] for stamp in stamps],
        }
        return Response(json.dumps(chart, separators=(",", ":")), media_type=_JSON)


PROVIDER: Final = Smard


def _weeks(until: datetime) -> list[datetime]:
    """Return the instants at which local weeks begin, from the first one to an instant."""
    count = (until.astimezone(_BERLIN).date() - _FIRST_WEEK).days // 7 + 1
    return [day_start(_FIRST_WEEK + number * _WEEK, _BERLIN) for number in range(count)]


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _not_found() -> Response:
    return HTMLResponse("<h1>404 Not Found</h1>", HTTPStatus.NOT_FOUND)
