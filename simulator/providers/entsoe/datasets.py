"""What ENTSO-E publishes as series: which there are, when values are stated, how each is headed.

The coupled auction went from hours to quarter-hours on 1 October 2025. What a dataset is made of is
in `dataset`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.first_slots import quarters_of_a_day, whole_days
from simulator.power_system.system import PowerSystem, plants, power_system
from simulator.power_system.told import NumberedValue, Weights, power_told, ways_told, zones_told
from simulator.power_system.zones import BORDERS
from simulator.power_system.zones import HOURLY as HOURLY_IN_THE_WORLD
from simulator.providers.entsoe.codes import (
    AREA_NAMES,
    AREAS,
    FORECASTS,
    PLANT_NAMES,
    PLANTS,
    ZONES,
)
from simulator.providers.entsoe.dataset import (
    MARKET_TIME,
    Dataset,
    Params,
    Table,
    When,
    on_the_eve,
)
from simulator.providers.entsoe.documents import (
    GENERATION_AND_LOAD,
    PRICES,
    PUBLICATION,
    element,
)
from simulator.timeline import (
    Column,
    Corrections,
    Timeline,
    Truth,
    Values,
    after_each,
    day_before,
)
from simulator.world import World

_HOUR: Final = timedelta(hours=1)
_QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_QUARTERS_SINCE: Final = datetime(2025, 9, 30, 22, tzinfo=UTC)
_HOURLY: Final = tuple(zone for zone in ZONES if zone in HOURLY_IN_THE_WORLD)
_TWO_AUCTIONS: Final = ("AT", "DE-LU")
_WIND_AND_SOLAR: Final = ("B16", "B18", "B19")
_WHOLE_MEGAWATTS: Final = Values(lowest=0, decimals=0)
_FORECAST_ERRORS: Final = {"A01": 0.3, "A40": 0.2, "A18": 0.1}
"""How wrong each forecast of wind and sun may be, as a share of its value."""

_CONTRACT: Final = "contract_MarketAgreement.Type"
_TOTAL: Final = "A05"
_MEGAWATTS: Final = {"quantity_Measure_Unit.name": "MAW"}


def _published_prices(stated: pl.DataFrame, step: timedelta) -> pl.DataFrame:
    """Return prices as they are published: by the hour or by the quarter-hour."""
    hourly = pl.col("zone").is_in(_HOURLY) | (pl.col("slot") < _QUARTERS_SINCE)
    coupled = pl.col("sequence") == "1"
    return stated.filter((hourly & coupled) if step == _HOUR else ~(hourly & coupled))


def prices(world: World) -> Dataset:
    """Return day-ahead prices: the coupled auction of each zone, and two zones' earlier one."""
    table = Table(
        source="entsoe_day_ahead_price",
        columns={
            "bidding_zone": "zone",
            "auction_sequence": pl.col("sequence").cast(pl.Int64),
            "price_eur_per_mwh": "value",
        },
        published=_published_prices,
    )
    system = power_system(world.seed)

    def timeline(
        zones: Sequence[str], sequence: str, price: NumberedValue, at: time, step: timedelta
    ) -> Timeline:
        return table.timeline(
            world,
            [{"zone": zone, "sequence": sequence} for zone in zones],
            step,
            truth=zones_told(zones, price),
            when=on_the_eve(at),
            values=Values(),
        )

    return Dataset(
        table=table,
        form=PRICES,
        type="A44",
        timelines=[
            timeline(ZONES, "1", system.price, time(12, 57), _QUARTER),
            timeline(ZONES, "1", system.price, time(12, 57), _HOUR),
            timeline(_TWO_AUCTIONS, "2", system.morning_price, time(10, 20), _QUARTER),
        ],
        wanted=lambda params: {"zone": _area(params, "in_Domain")},
        head=_price_head,
        whole_days=True,
    )


def load(world: World) -> Dataset:
    """Return total load: an hour later, and now and then corrected."""
    when = When(
        schedule=after_each(_HOUR),
        reach=timedelta(hours=4),
        first_slot=quarters_of_a_day(_DAY),
        corrections=Corrections(share=0.05, after=2 * _HOUR),
    )
    system = power_system(world.seed)

    def truth(zones: Sequence[str]) -> Truth:
        return power_told(system, [([zone], {"load": 1.0}) for zone in zones])

    return _loads(world, "entsoe_load", "A16", truth, when)


def load_forecast(world: World) -> Dataset:
    """Return the day-ahead forecast of the load, in the morning of the day before."""
    when = on_the_eve(time(9, 30))
    system = power_system(world.seed)

    def truth(zones: Sequence[str]) -> Truth:
        return zones_told(zones, system.expected_load_mw)

    return _loads(world, "entsoe_load_forecast", "A01", truth, when)


def _loads(
    world: World, source: str, process: str, truth: Callable[[Sequence[str]], Truth], when: When
) -> Dataset:
    """Return loads of zones, or forecasts of loads."""
    table = Table(source=source, columns={"bidding_zone": "zone", "load_mw": "value"})

    def timeline(zones: Sequence[str], step: timedelta) -> Timeline:
        return table.timeline(
            world,
            [{"zone": zone} for zone in zones],
            step,
            truth=truth(zones),
            when=when,
            values=_WHOLE_MEGAWATTS,
        )

    return Dataset(
        table=table,
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


def generation(world: World) -> Dataset:
    """Return generation by type: an hour later as estimated, then twice as metered."""
    table = Table(
        source="entsoe_generation",
        columns={
            "bidding_zone": "zone",
            "production_type": pl.col("type").replace_strict(PLANT_NAMES),
            "direction": "direction",
            "power_mw": "value",
        },
    )
    when = When(
        schedule=after_each(_HOUR, 3 * _HOUR, 8 * _HOUR),
        reach=timedelta(hours=8, minutes=30),
        first_slot=quarters_of_a_day(_DAY / 2),
    )

    def timeline(zones: Sequence[str], step: timedelta) -> Timeline:
        shown = _generated(zones)
        truth = power_told(power_system(world.seed), [_power(columns) for columns in shown])
        return table.timeline(world, shown, step, truth=truth, when=when)

    return Dataset(
        table=table,
        form=GENERATION_AND_LOAD,
        type="A75",
        processes=("A16",),
        timelines=_by_resolution(timeline),
        wanted=lambda params: {"zone": _area(params, "in_Domain")},
        head=_generation_head,
        tail=_type_tail,
    )


def _generated(zones: Sequence[str]) -> list[Mapping[str, Column]]:
    """Return the series of zones' generation; the consumption of pumps is a separate one."""
    found: list[Mapping[str, Column]] = []
    for zone in zones:
        types = _types(zone)
        found += [{"zone": zone, "type": code, "direction": "generation"} for code in types]
        if "B10" in types:
            found += [{"zone": zone, "type": "B10", "direction": "consumption"}]
    return found


def wind_solar_forecast(world: World) -> Dataset:
    """Return forecasts of wind and sun: one the day before, one at eight, one each hour."""
    schedules = {
        "A01": (day_before(time(17, 30), MARKET_TIME), timedelta(hours=40)),
        "A40": (_same_day_at_eight, timedelta(hours=26)),
        "A18": (after_each(*(-hours * _HOUR for hours in range(13))), timedelta(hours=13)),
    }
    table = Table(
        source="entsoe_wind_solar_forecast",
        columns={
            "bidding_zone": "zone",
            "production_type": pl.col("type").replace_strict(PLANT_NAMES),
            "forecast": pl.col("process").replace_strict(FORECASTS),
            "power_mw": "value",
        },
    )
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
        own_zones = [columns["zone"] for columns in shown]
        return table.timeline(
            world,
            shown,
            step,
            truth=_forecast(system, own_zones, truth, _FORECAST_ERRORS[process]),
            when=When(
                schedule=schedule,
                reach=reach,
                first_slot=whole_days(_DAY / 2, ZoneInfo(MARKET_TIME)),
            ),
        )

    return Dataset(
        table=table,
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
    """Return physical flows in each direction, by the hour or by the quarter-hour."""
    table = Table(
        source="entsoe_cross_border_flow",
        columns={"from_zone": "from", "to_zone": "to", "flow_mw": "value"},
    )
    return Dataset(
        table=table,
        form=PUBLICATION,
        type="A11",
        timelines=_across_borders(
            world,
            table,
            power_system(world.seed).flow_mw,
            lambda step: When(
                schedule=after_each(step + _HOUR),
                reach=timedelta(hours=5),
                first_slot=quarters_of_a_day(_DAY),
                corrections=Corrections(share=0.05, after=2 * _HOUR),
            ),
        ),
        wanted=_way,
        head=lambda columns: _lines({"businessType": "A66", **_domains(columns), **_MEGAWATTS}),
    )


def scheduled_exchange(world: World) -> Dataset:
    """Return scheduled exchanges: published the afternoon before, and some corrected later."""
    table = Table(
        source="entsoe_scheduled_exchange",
        columns={
            "from_zone": "from",
            "to_zone": "to",
            "contract": pl.lit("Total"),
            "exchange_mw": "value",
        },
    )
    when = on_the_eve(time(15, 30), Corrections(share=0.1, after=4 * _HOUR))
    return Dataset(
        table=table,
        form=PUBLICATION,
        type="A09",
        timelines=_across_borders(
            world, table, power_system(world.seed).exchange_mw, lambda _step: when
        ),
        wanted=lambda params: _way(params) if params[_CONTRACT] == _TOTAL else {"from": ""},
        head=lambda columns: _lines({
            "businessType": "A06",
            **_domains(columns),
            "contract_MarketAgreement.type": _TOTAL,
            **_MEGAWATTS,
        }),
    )  # fmt: skip


def _across_borders(
    world: World, table: Table, told: NumberedValue, when: Callable[[timedelta], When]
) -> list[Timeline]:
    """Return the timelines of borders: some by the hour, others by the quarter-hour."""
    return [
        table.timeline(
            world,
            ways,
            step,
            truth=ways_told([_ends(way) for way in ways], told),
            when=when(step),
        )
        for step, ways in (
            (_HOUR, _ways(by_quarter=False)),
            (_QUARTER, _ways(by_quarter=True)),
        )
    ]


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


def _forecast(system: PowerSystem, zones: Sequence[str], truth: Truth, wrong: float) -> Truth:
    """Return forecasts of values in these zones: the values, with an error."""
    error = zones_told(zones, system.forecast_error)

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
    """Return the zones of a series, and the kinds of power that it sums."""
    plant = PLANTS[str(columns["type"])][1]
    if columns.get("direction") == "consumption":
        plant = "pumping"
    return [str(columns["zone"])], {plant: 1.0}


def _same_day_at_eight(slot: pl.Expr) -> pl.Expr:
    """State a day's slots at eight; those before ten are stated two hours ahead."""
    day = slot.dt.convert_time_zone(MARKET_TIME).dt.date().cast(pl.Datetime("us"))
    eight = (day + timedelta(hours=8)).dt.replace_time_zone(MARKET_TIME).dt.convert_time_zone("UTC")
    return pl.concat_list(pl.min_horizontal(eight, slot - timedelta(hours=2)))


def _area(params: Params, name: str) -> str:
    """Return the area that a parameter names.

    Raises:
        KeyError: It names none.
    """
    return AREA_NAMES[params[name]]


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
