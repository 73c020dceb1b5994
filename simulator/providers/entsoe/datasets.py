"""What ENTSO-E publishes as series: which there are, when values are stated, how each is headed.

Of what is stated twice between two beats, as all is before a world begins, the last counts: nobody
has seen what was before it. A series of whole hours and one of quarter-hours are different
timelines of one dataset; the coupled auction went from the one to the other on 1 October 2025.
"""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.first_slots import FirstSlot, quarters_of_a_day, whole_days
from simulator.market_days import day_start
from simulator.power_system.system import PowerSystem, plants, power_system
from simulator.power_system.told import Weights, power_told, ways_told, zones_told
from simulator.power_system.zones import BORDERS
from simulator.power_system.zones import HOURLY as HOURLY_IN_THE_WORLD
from simulator.providers.entsoe.codes import AREAS, FORECASTS, PLANT_NAMES, PLANTS, ZONES
from simulator.providers.entsoe.documents import (
    GENERATION_AND_LOAD,
    PRICES,
    PUBLICATION,
    Form,
    Series,
    element,
)
from simulator.timeline import (
    Column,
    Corrections,
    Schedule,
    Timeline,
    Truth,
    Values,
    after_each,
    day_before,
    last_statements,
)
from simulator.world import World

MARKET_TIME: Final = "Europe/Brussels"

_HOUR: Final = timedelta(hours=1)
_QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_BACK: Final = timedelta(hours=90)
"""How long before a world begins the oldest statement was made that a first question meets."""
_QUARTERS_SINCE: Final = datetime(2025, 9, 30, 22, tzinfo=UTC)
_HOURLY: Final = tuple(zone for zone in ZONES if zone in HOURLY_IN_THE_WORLD)
_TWO_AUCTIONS: Final = ("AT", "DE-LU")
_WIND_AND_SOLAR: Final = ("B16", "B18", "B19")
_PRICE: Final = {"value": Values()}
_MEGAWATTS_TO_CENTS: Final = {"value": Values(lowest=0)}
_WHOLE_MEGAWATTS: Final = {"value": Values(lowest=0, decimals=0)}
_FORECAST_ERRORS: Final = {"A01": 0.3, "A40": 0.2, "A18": 0.1}
"""How wrong each forecast of wind and sun may be, as a part of it."""
_LOAD_FORECAST_ERROR: Final = 0.06

_CONTRACT: Final = "contract_MarketAgreement.Type"
_TOTAL: Final = "A05"
_MEGAWATTS: Final = {"quantity_Measure_Unit.name": "MAW"}

Params = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One kind of document and the series that it holds.

    Attributes:
        source: The market source that reads it.
        form: How it looks.
        type: Its type.
        processes: The processes that there are of it; None is that of questions without one.
        timelines: Its series, by resolution and schedule.
        wanted: The series that a question asks for; None where it asks for none that there is.
        head: The elements of a series before its curve type; from its columns.
        tail: Those after it.
        published: From statements and their resolution to what is published of them.
        whole_days: Whether an answer holds whole market days, one series each.
    """

    source: str
    form: Form
    type: str
    timelines: Sequence[Timeline]
    wanted: Callable[[Params], Mapping[str, Column]]
    head: Callable[[Mapping[str, Column]], str]
    tail: Callable[[Mapping[str, Column]], str] = lambda _: ""
    processes: Collection[str | None] = (None,)
    published: Callable[[pl.DataFrame, timedelta], pl.DataFrame] = lambda stated, _: stated
    whole_days: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    """When values of a dataset are stated; as in `Timeline`."""

    schedule: Schedule
    reach: timedelta
    first_slot: FirstSlot
    corrections: Corrections | None = None


def series(dataset: Dataset, timeline: Timeline, visible: pl.DataFrame) -> list[Series]:
    """Return what a client sees of a timeline as the series of a document."""
    day = pl.col("slot").dt.convert_time_zone(MARKET_TIME).dt.date()
    parts = dataset.published(visible, timeline.resolution).with_columns(
        part=day if dataset.whole_days else None
    )
    found = []
    for each in parts.partition_by("series", "part", maintain_order=True):
        columns = timeline.series[each.item(0, "series")]
        found.append(
            Series(
                head=dataset.head(columns),
                tail=dataset.tail(columns),
                curve=_curve_of(columns),
                start=each.item(0, "slot"),
                resolution=timeline.resolution,
                values=each["value"],
            )
        )
    return found


def market_days(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return the whole market days that a window touches."""
    first, last = (
        at.astimezone(ZoneInfo(MARKET_TIME)).date() for at in (start, end - timedelta(seconds=1))
    )
    return day_start(first, ZoneInfo(MARKET_TIME)), day_start(last + _DAY, ZoneInfo(MARKET_TIME))


def _curve_of(columns: Mapping[str, Column]) -> str:
    """Return the curve type of a series: most leave out what repeats, a third of zones don't."""
    zone = str(columns.get("zone") or columns["from"])
    return "A01" if zlib.crc32(zone.encode()) % 3 == 0 else "A03"


def _published_prices(stated: pl.DataFrame, step: timedelta) -> pl.DataFrame:
    """Return prices as they are published: by the hour or by the quarter-hour."""
    hourly = pl.col("zone").is_in(_HOURLY) | (pl.col("slot") < _QUARTERS_SINCE)
    coupled = pl.col("sequence") == "1"
    return stated.filter((hourly & coupled) if step == _HOUR else ~(hourly & coupled))


def prices(world: World) -> Dataset:
    """Return day-ahead prices: the coupled auction of each zone, and two zones' earlier one."""
    coupled = [{"zone": zone, "sequence": "1"} for zone in ZONES]
    earlier = [{"zone": zone, "sequence": "2"} for zone in _TWO_AUCTIONS]

    system = power_system(world.seed)

    def timeline(series: Sequence[Mapping[str, Column]], at: time, step: timedelta) -> Timeline:
        auction = system.price if series is coupled else system.morning_price
        return Timeline(
            world=world,
            source="entsoe_day_ahead_price",
            series=series,
            values=lambda _: _PRICE,
            truth=zones_told([str(columns["zone"]) for columns in series], auction),
            resolution=step,
            schedule=day_before(at, MARKET_TIME),
            reach=timedelta(hours=40),
            history=_BACK - timedelta(hours=40),
            first_slot=whole_days(2 * _DAY, ZoneInfo(MARKET_TIME)),
            rows=lambda stated: _published_prices(last_statements(stated), step).select(
                **_delivery(step),
                bidding_zone="zone",
                auction_sequence=pl.col("sequence").cast(pl.Int64),
                price_eur_per_mwh="value",
            ),
        )

    return Dataset(
        source="entsoe_day_ahead_price",
        form=PRICES,
        type="A44",
        timelines=[
            timeline(coupled, time(12, 57), _QUARTER),
            timeline(coupled, time(12, 57), _HOUR),
            timeline(earlier, time(10, 20), _QUARTER),
        ],
        wanted=lambda params: {"zone": _area(params, "in_Domain")},
        head=_price_head,
        published=_published_prices,
        whole_days=True,
    )


def load(world: World) -> Dataset:
    """Return total load: an hour later, and now and then corrected."""
    return _loads(
        world,
        "entsoe_load",
        "A16",
        0.0,
        _Published(
            schedule=after_each(_HOUR),
            reach=timedelta(hours=4),
            first_slot=quarters_of_a_day(_DAY),
            corrections=Corrections(share=0.05, after=2 * _HOUR),
        ),
    )


def load_forecast(world: World) -> Dataset:
    """Return the day-ahead forecast of the load, in the morning of the day before."""
    return _loads(
        world,
        "entsoe_load_forecast",
        "A01",
        _LOAD_FORECAST_ERROR,
        _Published(
            schedule=day_before(time(9, 30), MARKET_TIME),
            reach=timedelta(hours=40),
            first_slot=whole_days(2 * _DAY, ZoneInfo(MARKET_TIME)),
        ),
    )


def generation(world: World) -> Dataset:
    """Return generation by type: an hour later as estimated, then twice as metered."""

    def series(zones: Sequence[str]) -> list[Mapping[str, Column]]:
        found: list[Mapping[str, Column]] = []
        for zone in zones:
            types = _types(zone)
            found += [{"zone": zone, "type": code, "direction": "generation"} for code in types]
            if "B10" in types:
                found += [{"zone": zone, "type": "B10", "direction": "consumption"}]
        return found

    def timeline(zones: Sequence[str], step: timedelta) -> Timeline:
        shown = series(zones)
        return Timeline(
            world=world,
            source="entsoe_generation",
            series=shown,
            values=lambda _: _MEGAWATTS_TO_CENTS,
            truth=power_told(power_system(world.seed), [_power(columns) for columns in shown]),
            resolution=step,
            schedule=after_each(_HOUR, 3 * _HOUR, 8 * _HOUR),
            reach=timedelta(hours=8, minutes=30),
            history=_BACK,
            first_slot=quarters_of_a_day(_DAY / 2),
            rows=lambda stated: last_statements(stated).select(
                **_delivery(step),
                bidding_zone="zone",
                production_type=pl.col("type").replace_strict(PLANT_NAMES),
                direction="direction",
                power_mw="value",
            ),
        )

    return Dataset(
        source="entsoe_generation",
        form=GENERATION_AND_LOAD,
        type="A75",
        processes=("A16",),
        timelines=_by_resolution(timeline),
        wanted=lambda params: {"zone": _area(params, "in_Domain")},
        head=_generation_head,
        tail=_type_tail,
    )


def wind_solar_forecast(world: World) -> Dataset:
    """Return forecasts of wind and sun: one the day before, one at eight, one each hour."""
    schedules = {
        "A01": (day_before(time(17, 30), MARKET_TIME), timedelta(hours=40)),
        "A40": (_same_day_at_eight, timedelta(hours=26)),
        "A18": (after_each(*(-hours * _HOUR for hours in range(13))), timedelta(hours=13)),
    }

    system = power_system(world.seed)

    def timeline(process: str, zones: Sequence[str], step: timedelta) -> Timeline:
        schedule, reach = schedules[process]
        shown = [
            {"zone": zone, "type": code, "process": process}
            for zone in zones
            for code in _types(zone)
            if code in _WIND_AND_SOLAR
        ]
        truth = power_told(system, [_power(columns) for columns in shown])
        return Timeline(
            world=world,
            source="entsoe_wind_solar_forecast",
            series=shown,
            values=lambda _: _MEGAWATTS_TO_CENTS,
            truth=_forecast(system, shown, truth, _FORECAST_ERRORS[process]),
            resolution=step,
            schedule=schedule,
            reach=reach,
            history=_BACK - reach,
            first_slot=whole_days(_DAY / 2, ZoneInfo(MARKET_TIME)),
            rows=lambda stated: last_statements(stated).select(
                **_delivery(step),
                bidding_zone="zone",
                production_type=pl.col("type").replace_strict(PLANT_NAMES),
                forecast=pl.col("process").replace_strict(FORECASTS),
                power_mw="value",
            ),
        )

    return Dataset(
        source="entsoe_wind_solar_forecast",
        form=GENERATION_AND_LOAD,
        type="A69",
        processes=tuple(FORECASTS),
        timelines=[
            each for process in schedules for each in _by_resolution(partial(timeline, process))
        ],
        wanted=lambda params: {
            "zone": _area(params, "in_Domain"),
            "process": params.get("processType", ""),
        },
        head=_generation_head,
        tail=_type_tail,
    )


def cross_border_flow(world: World) -> Dataset:
    """Return physical flows, each direction for itself: hour by hour, some by the quarter."""

    def timeline(step: timedelta, *, by_quarter: bool) -> Timeline:
        ways = _ways(by_quarter=by_quarter)
        return Timeline(
            world=world,
            source="entsoe_cross_border_flow",
            series=ways,
            values=lambda _: _MEGAWATTS_TO_CENTS,
            truth=ways_told([_ends(way) for way in ways], power_system(world.seed).flow_mw),
            resolution=step,
            schedule=after_each(step + _HOUR),
            reach=timedelta(hours=5),
            history=_BACK,
            first_slot=quarters_of_a_day(_DAY),
            corrections=Corrections(share=0.05, after=2 * _HOUR),
            rows=lambda stated: last_statements(stated).select(
                **_delivery(step), from_zone="from", to_zone="to", flow_mw="value"
            ),
        )

    return Dataset(
        source="entsoe_cross_border_flow",
        form=PUBLICATION,
        type="A11",
        timelines=[timeline(_HOUR, by_quarter=False), timeline(_QUARTER, by_quarter=True)],
        wanted=_way,
        head=lambda columns: _lines({"businessType": "A66", **_domains(columns), **_MEGAWATTS}),
    )


def scheduled_exchange(world: World) -> Dataset:
    """Return what is scheduled in all: in the afternoon of the day before, some of it changed."""

    def timeline(step: timedelta, *, by_quarter: bool) -> Timeline:
        ways = _ways(by_quarter=by_quarter)
        return Timeline(
            world=world,
            source="entsoe_scheduled_exchange",
            series=ways,
            values=lambda _: _MEGAWATTS_TO_CENTS,
            truth=ways_told([_ends(way) for way in ways], power_system(world.seed).exchange_mw),
            resolution=step,
            schedule=day_before(time(15, 30), MARKET_TIME),
            reach=timedelta(hours=40),
            history=_BACK - timedelta(hours=40),
            first_slot=whole_days(2 * _DAY, ZoneInfo(MARKET_TIME)),
            corrections=Corrections(share=0.1, after=4 * _HOUR),
            rows=lambda stated: last_statements(stated).select(
                **_delivery(step),
                from_zone="from",
                to_zone="to",
                contract=pl.lit("Total"),
                exchange_mw="value",
            ),
        )

    return Dataset(
        source="entsoe_scheduled_exchange",
        form=PUBLICATION,
        type="A09",
        timelines=[timeline(_HOUR, by_quarter=False), timeline(_QUARTER, by_quarter=True)],
        wanted=lambda params: _way(params) if params[_CONTRACT] == _TOTAL else {"from": ""},
        head=lambda columns: _lines({
            "businessType": "A06",
            **_domains(columns),
            "contract_MarketAgreement.type": _TOTAL,
            **_MEGAWATTS,
        }),
    )  # fmt: skip


def _ways(*, by_quarter: bool) -> list[Mapping[str, Column]]:
    """Return both directions of the borders that are published by quarter-hours, or by hours."""
    return [
        {"from": out_of, "to": into}
        for border in BORDERS
        for out_of, into in (border, border[::-1])
        if ("DE-LU" in border) is by_quarter
    ]


def _ends(way: Mapping[str, Column]) -> tuple[str, str]:
    return str(way["from"]), str(way["to"])


def _way(params: Params) -> Mapping[str, Column]:
    return {"from": _area(params, "out_Domain"), "to": _area(params, "in_Domain")}


def _domains(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {
        "in_Domain.mRID": AREAS[str(columns["to"])],
        "out_Domain.mRID": AREAS[str(columns["from"])],
    }


def _loads(world: World, source: str, process: str, wrong: float, published: _Published) -> Dataset:
    """Return loads, or forecasts that may be wrong by a part of themselves."""
    system = power_system(world.seed)

    def timeline(zones: Sequence[str], step: timedelta) -> Timeline:
        shown = [{"zone": zone} for zone in zones]
        truth = power_told(system, [([zone], {"load": 1.0}) for zone in zones])
        return Timeline(
            world=world,
            source=source,
            series=shown,
            values=lambda _: _WHOLE_MEGAWATTS,
            truth=_forecast(system, shown, truth, wrong) if wrong else truth,
            resolution=step,
            schedule=published.schedule,
            reach=published.reach,
            history=_BACK - published.reach,
            first_slot=published.first_slot,
            corrections=published.corrections,
            rows=lambda stated: last_statements(stated).select(
                **_delivery(step), bidding_zone="zone", load_mw="value"
            ),
        )

    return Dataset(
        source=source,
        form=GENERATION_AND_LOAD,
        type="A65",
        processes=(process,),
        timelines=_by_resolution(timeline),
        wanted=lambda params: {"zone": _area(params, "outBiddingZone_Domain")},
        head=lambda columns: _lines({
            "businessType": "A04",
            "objectAggregation": "A01",
            "outBiddingZone_Domain.mRID": AREAS[str(columns["zone"])],
            **_MEGAWATTS,
        }),
    )  # fmt: skip


def _forecast(
    system: PowerSystem, series: Sequence[Mapping[str, Column]], truth: Truth, wrong: float
) -> Truth:
    """Return what is foreseen of something: itself, wrong by a part of it."""
    error = zones_told([str(columns["zone"]) for columns in series], system.forecast_error)

    def foreseen(
        name: str, numbers: NDArray[np.int64], seconds: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return truth(name, numbers, seconds) * (1.0 + wrong * error(name, numbers, seconds))

    return foreseen


def _by_resolution(timeline: Callable[[Sequence[str], timedelta], Timeline]) -> list[Timeline]:
    """Return the timelines of the zones of quarter-hours, and of those of hours."""
    return [
        timeline([zone for zone in ZONES if zone not in _HOURLY], _QUARTER),
        timeline(_HOURLY, _HOUR),
    ]


def _types(zone: str) -> list[str]:
    """Return the codes of the plants that a zone has."""
    there = plants([zone])
    return [code for code, (_, plant) in PLANTS.items() if plant in there]


def _power(columns: Mapping[str, Column]) -> tuple[Sequence[str], Weights]:
    """Return whose power a series is, and which."""
    plant = PLANTS[str(columns["type"])][1]
    if columns.get("direction") == "consumption":
        plant = "pumping"
    return [str(columns["zone"])], {plant: 1.0}


def _delivery(step: timedelta) -> dict[str, pl.Expr]:
    return {
        "delivery_start": pl.col("slot"),
        "delivery_end": pl.col("slot") + step,
        "resolution": pl.lit(f"PT{step // timedelta(minutes=1)}M"),
    }


def _same_day_at_eight(slot: pl.Expr) -> pl.Expr:
    """State what is left of a day at eight; what was before is stated the evening before."""
    day = slot.dt.convert_time_zone(MARKET_TIME).dt.date().cast(pl.Datetime("us"))
    eight = (day + timedelta(hours=8)).dt.replace_time_zone(MARKET_TIME).dt.convert_time_zone("UTC")
    return pl.concat_list(pl.min_horizontal(eight, slot - timedelta(hours=2)))


def _area(params: Params, name: str) -> str:
    """Return the area that a parameter names.

    Raises:
        KeyError: It names none.
    """
    return _AREA_NAMES[params[name]]


_AREA_NAMES: Final = {code: name for name, code in AREAS.items()}


def _price_head(columns: Mapping[str, Column]) -> str:
    zone = AREAS[str(columns["zone"])]
    sequence = {"classificationSequence_AttributeInstanceComponent.position": columns["sequence"]}
    return _lines({
        "auction.type": "A01",
        "businessType": "A62",
        "in_Domain.mRID": zone,
        "out_Domain.mRID": zone,
        "contract_MarketAgreement.type": "A01",
        "currency_Unit.name": "EUR",
        "price_Measure_Unit.name": "MWH",
        **(sequence if columns["zone"] in _TWO_AUCTIONS else {}),
    })  # fmt: skip


def _generation_head(columns: Mapping[str, Column]) -> str:
    side = "out" if columns.get("direction") == "consumption" else "in"
    return _lines({
        "businessType": "A01",
        "objectAggregation": "A08",
        f"{side}BiddingZone_Domain.mRID": AREAS[str(columns["zone"])],
        **_MEGAWATTS,
    })  # fmt: skip


def _type_tail(columns: Mapping[str, Column]) -> str:
    return f"    <MktPSRType>\n{element('psrType', str(columns['type']), 6)}    </MktPSRType>\n"


def _lines(elements: Mapping[str, Column]) -> str:
    return "".join(element(name, str(value), 4) for name, value in elements.items())
