"""Elexon's Insights Solution on the wire: FUELINST, FREQ and system prices by REST.

A dataset is served at both `/datasets/X` and `/datasets/X/stream`. As on the real service, both
ends of a window are included, and parameters that belong to another dataset are ignored.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.first_slots import so_long_before
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.market_days import day_start
from simulator.power_system.frequency import great_britain
from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import PowerSystem, power_system
from simulator.power_system.told import power_told, zones_told
from simulator.power_system.zones import BORDERS
from simulator.timeline import Corrections, Timeline, Truth, Values, after_each, run_each
from simulator.world import World

_GENERATION: Final = "elexon_generation"
_FREQUENCY: Final = "elexon_frequency"
_PRICE: Final = "elexon_system_price"
_BASE: Final = "/bmrs/api/v1"
_TOO_LONG: Final = (
    "The date range between PublishDateTimeFrom and PublishDateTimeTo inclusive "
    "must not exceed 1 day"
)
_BAD: Final = {
    "generation": 9_999_999,
    "frequency": 5.0,
    "systemSellPrice": 99_999.0,
    "systemBuyPrice": 99_999.0,
}
"""The values of a bad row."""

_LONDON: Final = ZoneInfo("Europe/London")
_SETTLEMENT_PERIOD: Final = timedelta(minutes=30)
_INTERVAL: Final = timedelta(minutes=5)
_SAMPLE: Final = timedelta(seconds=15)
_MOMENT: Final = timedelta(milliseconds=1)
_REACH: Final = timedelta(minutes=30)
_DAY: Final = timedelta(days=1)

_FUELS: Final = {
    "BIOMASS": {"biomass": 1.0},
    "CCGT": {"gas": 0.995},
    "COAL": {"hard coal": 1.0},
    "NPSHYD": {"river": 1.0, "reservoir": 1.0},
    "NUCLEAR": {"nuclear": 1.0},
    "OCGT": {"gas": 0.005},
    "OIL": {"oil": 1.0},
    "OTHER": {"waste": 1.0, "other": 1.0, "coal gas": 1.0, "geothermal": 1.0},
    "PS": {"pumped": 1.0, "pumping": -1.0},
    "WIND": {"onshore": 1.0, "offshore": 1.0},
}
_CABLES: Final = {
    "INTELEC": ("FR", 0.25),
    "INTEW": ("IE(SEM)", 0.35),
    "INTFR": ("FR", 0.5),
    "INTGRNL": ("IE(SEM)", 0.35),
    "INTIFA2": ("FR", 0.25),
    "INTIRL": ("IE(SEM)", 0.3),
    "INTNED": ("NL", 1.0),
    "INTNEM": ("BE", 1.0),
    "INTNSL": ("NO2", 1.0),
    "INTVKL": ("DK1", 1.0),
}
"""The zone that each cable leads to, and its share of that border's flow."""
_ZONE: Final = "GB"
_GBP_PER_EUR: Final = 0.86


def _generation(world: World) -> Timeline:
    """Return the generation of each fuel: published after each interval, a few once more."""
    return Timeline(
        world=world,
        source=_GENERATION,
        series=[{"fuelType": fuel} for fuel in (*_FUELS, *_CABLES)],
        values=lambda columns: {"generation": _megawatts(str(columns["fuelType"]))},
        truth=_fuels_and_cables(power_system(world.seed)),
        resolution=_INTERVAL,
        schedule=after_each(_INTERVAL),
        reach=_REACH,
        first_slot=so_long_before(timedelta(hours=8)),
        rows=lambda stated: stated.select(
            delivery_start="slot",
            delivery_end=pl.col("slot") + _INTERVAL,
            fuel_type="fuelType",
            generation_mw="generation",
            published_at="stated_at",
        ),
        corrections=Corrections(share=0.02, after=2 * _INTERVAL),
    )


def _megawatts(fuel: str) -> Values:
    may_be_negative = fuel in _CABLES or fuel == "PS"
    return Values(lowest=None if may_be_negative else 0, decimals=0)


def _fuels_and_cables(system: PowerSystem) -> Truth:
    """Return the generation of plants and the flow of cables, in the order of the series."""
    plants = power_told(system, [([_ZONE], weights) for weights in _FUELS.values()])
    numbers = [BORDERS.index(tuple(sorted((_ZONE, zone)))) for zone, _ in _CABLES.values()]
    shares = np.array([share for _, share in _CABLES.values()])
    signs = np.array([1.0 if BORDERS[number][1] == _ZONE else -1.0 for number in numbers])
    borders = np.array(numbers)

    def truth(name: str, series: Ints, seconds: Floats) -> Floats:
        found = np.zeros(seconds.shape)
        is_plant = series < len(_FUELS)
        found[is_plant] = plants(name, series[is_plant], seconds[is_plant])
        cable = series[~is_plant] - len(_FUELS)
        flow = system.flow_mw(borders[cable], seconds[~is_plant])
        found[~is_plant] = shares[cable] * signs[cable] * flow
        return found

    return truth


def _frequency(world: World) -> Timeline:
    """Return the grid's frequency: each sample is there two minutes later."""
    grid = great_britain(world.seed)
    return Timeline(
        world=world,
        source=_FREQUENCY,
        series=[{"grid": "GB"}],
        values=lambda _: {"frequency": Values(decimals=3)},
        truth=lambda _name, _series, seconds: grid.at(seconds),
        resolution=_SAMPLE,
        schedule=after_each(timedelta(minutes=2)),
        reach=timedelta(minutes=5),
        first_slot=so_long_before(timedelta(hours=2)),
        rows=lambda stated: stated.select(observed_at="slot", frequency_hz="frequency"),
    )


def _prices(world: World) -> Timeline:
    """Return the prices of imbalance: worked out after each period, and again a day later."""
    system = power_system(world.seed)
    hours = _SETTLEMENT_PERIOD / timedelta(hours=1)
    told = {
        "price": (_GBP_PER_EUR, zones_told([_ZONE], system.imbalance_price)),
        "volume": (hours, zones_told([_ZONE], system.imbalance_mw)),
    }

    def truth(name: str, numbers: Ints, seconds: Floats) -> Floats:
        factor, value = told[name]
        return factor * value(name, numbers, seconds)

    return Timeline(
        world=world,
        source=_PRICE,
        series=[{"priceDerivationCode": "N"}],
        values=lambda _: {"price": Values(), "volume": Values(decimals=4)},
        truth=truth,
        resolution=_SETTLEMENT_PERIOD,
        schedule=after_each(timedelta(minutes=45), timedelta(hours=24, minutes=45)),
        reach=timedelta(hours=26),
        first_slot=so_long_before(timedelta(days=10)),
        rows=lambda stated: _settled(stated).select(
            "settlement_date",
            "settlement_period",
            delivery_start="slot",
            delivery_end=pl.col("slot") + _SETTLEMENT_PERIOD,
            system_sell_price_gbp_per_mwh="price",
            system_buy_price_gbp_per_mwh="price",
            net_imbalance_volume_mwh="volume",
            price_derivation_code="priceDerivationCode",
            published_at="stated_at",
        ),
    )


class Elexon(HttpProvider):
    """Elexon, which settles Great Britain's imbalances."""

    name = "elexon"
    models = frozenset({_GENERATION, _FREQUENCY, _PRICE})
    hosts = ("https://data.elexon.co.uk",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.timelines = {
            _GENERATION: _generation(world),
            _FREQUENCY: _frequency(world),
            _PRICE: _prices(world),
        }
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(5.0, burst=50, speed=world.request_speed),
            server_error=partial(_problem, HTTPStatus.INTERNAL_SERVER_ERROR, "Server error"),
            malformed=partial(HTMLResponse, "<html><body>Service unavailable</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return both shapes of the datasets, and the system prices of a day."""
        datasets = {"FUELINST": self.generation, "FREQ": self.frequency}
        return [
            *(
                Route(f"{_BASE}/datasets/{name}{shape}", answer)
                for name, answer in datasets.items()
                for shape in ("", "/stream")
            ),
            Route(f"{_BASE}/balancing/settlement/system-prices/{{day}}", self.prices),
        ]

    async def run(self) -> None:
        """Move the markets on."""
        await run_each(self.timelines.values())

    async def generation(self, request: Request) -> Response:
        """Answer `/datasets/FUELINST`: what was published in a window of a day at most."""

        def rows() -> pl.DataFrame:
            timeline = self.timelines[_GENERATION]
            until = timeline.reached
            start, end = _window(request, "publishDateTime") or (until - _DAY, until)
            if end - start > _DAY:
                raise ValueError(_TOO_LONG)
            return _settled(timeline.made_in(start, end)).select(
                dataset=pl.lit("FUELINST"),
                publishTime=_stamp("stated_at"),
                startTime=_stamp("slot"),
                settlementDate="settlement_date",
                settlementPeriod="settlement_period",
                fuelType="fuelType",
                generation=pl.col("generation").cast(pl.Int64),
            )

        return await self._answer(_GENERATION, rows, bare=_is_stream(request))

    async def frequency(self, request: Request) -> Response:
        """Answer `/datasets/FREQ`, the newest sample first; the last day's without a window."""

        def rows() -> pl.DataFrame:
            timeline = self.timelines[_FREQUENCY]
            start, end = _window(request, "measurementDateTime") or (
                timeline.reached - _DAY,
                timeline.reached,
            )
            seen = timeline.visible(start, end + _MOMENT)
            return seen.sort("slot", descending=True).select(
                dataset=pl.lit("FREQ"),
                measurementTime=_stamp("slot"),
                frequency="frequency",
            )

        return await self._answer(_FREQUENCY, rows, bare=_is_stream(request))

    async def prices(self, request: Request) -> Response:
        """Answer `/balancing/settlement/system-prices/{day}`."""

        def rows() -> pl.DataFrame:
            day = date.fromisoformat(request.path_params["day"])
            start, end = day_start(day, _LONDON), day_start(day + _DAY, _LONDON)
            seen = self.timelines[_PRICE].visible(start, end)
            return _settled(seen).select(
                settlementDate="settlement_date",
                settlementPeriod="settlement_period",
                startTime=_stamp("slot"),
                createdDateTime=_stamp("stated_at"),
                systemSellPrice="price",
                systemBuyPrice="price",
                bsadDefaulted=pl.lit(value=False),
                priceDerivationCode="priceDerivationCode",
                reserveScarcityPrice=pl.lit(0.0),
                netImbalanceVolume="volume",
                sellPriceAdjustment=pl.lit(0.0),
                buyPriceAdjustment=pl.lit(0.0),
                replacementPrice=pl.lit(None),
            )

        return await self._answer(_PRICE, rows, bare=False)

    async def _answer(
        self, source: str, rows: Callable[[], pl.DataFrame], *, bare: bool
    ) -> Response:
        def good() -> Response:
            try:
                records = self._spoiled(source, rows()).write_json()
            except ValueError as error:
                return _problem(HTTPStatus.BAD_REQUEST, str(error))
            body = records if bare else f'{{"data":{records}}}'
            return Response(body, media_type="application/json")

        return await self._desk.answer(source, good)

    def _spoiled(self, source: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows, one of them a bad one where that is asked for."""
        if rows.is_empty() or not self._desk.bad_row(source):
            return rows
        last = pl.int_range(pl.len()) == pl.len() - 1
        return rows.with_columns(
            pl.when(last).then(bad).otherwise(name).alias(name)
            for name, bad in _BAD.items()
            if name in rows.columns
        )


PROVIDER: Final = Elexon


def _is_stream(request: Request) -> bool:
    return request.url.path.endswith("/stream")


def _window(request: Request, name: str) -> tuple[datetime, datetime] | None:
    """Read `<name>From` and `<name>To`, both included; None unless both are there.

    Raises:
        ValueError: One of them is no instant.
    """
    texts = [request.query_params.get(f"{name}{end}") for end in ("From", "To")]
    if None in texts:
        return None
    start, end = (datetime.fromisoformat(text or "") for text in texts)
    return (
        start.replace(tzinfo=start.tzinfo or UTC),
        end.replace(tzinfo=end.tzinfo or UTC),
    )


def _settled(stated: pl.DataFrame) -> pl.DataFrame:
    """Add the settlement date and period of each slot: London's days, counted by half-hours."""
    midnight = pl.col("slot").dt.convert_time_zone(_LONDON.key).dt.truncate("1d")
    since = pl.col("slot") - midnight.dt.convert_time_zone("UTC")
    return stated.with_columns(
        settlement_date=midnight.dt.strftime("%Y-%m-%d"),
        settlement_period=since.dt.total_minutes() // 30 + 1,
    )


def _stamp(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _problem(status: HTTPStatus, text: str) -> Response:
    """Return a problem document, as Elexon words it."""
    said = {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": status,
        "errors": {"": [text]},
    }
    return JSONResponse(said, status, media_type="application/problem+json")
