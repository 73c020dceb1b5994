"""The public power of Europe's countries: the series of each, and when each value is known.

A country has quarter-hours or hours of each of its production types, its load, and two shares in
per cent. A value is published an hour after its period, and published again, slightly different,
when the meters have been read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from simulator.first_slots import so_long_before
from simulator.power_system.system import GENERATION, RENEWABLE, plants, power_system
from simulator.power_system.told import Weights, power_told
from simulator.power_system.zones import HOURLY, ZONES
from simulator.timeline import Column, Timeline, Values, after_each
from simulator.world import World

SOURCE: Final = "energy_charts_generation"

_QUARTER: Final = timedelta(minutes=15)
_REACH: Final = timedelta(hours=5)
_ASKED_BACK: Final = timedelta(hours=22)
"""A feed's first round asks for twenty hours."""

_OUTSIDE: Final = frozenset({
    "AL", "BA", "CH", "GB", "GE", "MD", "ME", "MK", "NO1", "NO2", "NO3", "NO4", "NO5", "RS", "TR",
    "UA-IPS", "XK",
})  # fmt: skip
"""Zones outside of the European Union."""
_ONE_ZONE: Final = (
    "al", "at", "ba", "be", "bg", "ch", "cy", "cz", "ee", "es", "fi", "fr", "ge", "gr", "hr", "hu",
    "lt", "lu", "lv", "md", "me", "mk", "nl", "pl", "pt", "ro", "rs", "si", "sk", "xk",
)  # fmt: skip
_ZONES_OF: Final[Mapping[str, Sequence[str]]] = {
    **{country: [country.upper()] for country in _ONE_ZONE},
    **{
        country: [zone for zone in ZONES if zone.startswith(country.upper())]
        for country in ("de", "dk", "ie", "it", "no", "se", "ua")
    },
    "eu": [zone for zone in ZONES if zone not in _OUTSIDE],
}
_SILENT: Final = ("mt", "nie", "tr", "uk")
"""Countries that have sent nothing for years."""
COUNTRIES: Final = tuple(_ZONES_OF)
"""The codes of countries that have data."""
KNOWN: Final = frozenset({*_ZONES_OF, *_SILENT})
"""The codes of countries that may be asked for."""
_HOURLY: Final = tuple(country for country, zones in _ZONES_OF.items() if {*zones} <= HOURLY)

_WEATHER: Final = ("onshore", "offshore", "solar")
_PLANTS: Final = {
    "Hydro pumped storage consumption": ("pumped", {"pumping": -1.0}),
    "Hydro Run-of-River": ("river", {"river": 1.0}),
    "Biomass": ("biomass", {"biomass": 1.0}),
    "Nuclear": ("nuclear", {"nuclear": 1.0}),
    "Fossil brown coal / lignite": ("lignite", {"lignite": 1.0}),
    "Fossil hard coal": ("hard coal", {"hard coal": 1.0}),
    "Fossil coal-derived gas": ("coal gas", {"coal gas": 1.0}),
    "Fossil oil": ("oil", {"oil": 1.0}),
    "Fossil gas": ("gas", {"gas": 1.0}),
    "Geothermal": ("geothermal", {"geothermal": 1.0}),
    "Hydro water reservoir": ("reservoir", {"reservoir": 1.0}),
    "Hydro pumped storage": ("pumped", {"pumped": 1.0}),
    "Others": ("other", {"other": 1.0}),
    "Waste": ("waste", {"waste": 1.0}),
    "Wind offshore": ("offshore", {"offshore": 1.0}),
    "Wind onshore": ("onshore", {"onshore": 1.0}),
    "Solar": ("solar", {"solar": 1.0}),
}
"""The series of a country that has certain plants, and the kinds that each sums."""
_EVERYWHERE: Final[Mapping[str, Weights]] = {
    "Cross border electricity trading": {"import": 1.0},
    "Load": {"load": 1.0},
    "Residual load": {"load": 1.0, **dict.fromkeys(_WEATHER, -1.0)},
}
_SHARES: Final[Mapping[str, Weights]] = {
    "Renewable share of generation": dict.fromkeys(GENERATION, 0.01),
    "Renewable share of load": {"load": 0.01},
}
"""The denominator of each renewable share, divided by 100 since shares are in per cent."""
_RENEWABLE: Final = dict.fromkeys(RENEWABLE, 1.0)
_SUMMED: Final[Mapping[str, Weights]] = {
    **{name: weights for name, (_, weights) in _PLANTS.items()},
    **_EVERYWHERE,
    **dict.fromkeys(_SHARES, _RENEWABLE),
}
_BELOW_ZERO: Final = frozenset({
    "Hydro pumped storage consumption", "Cross border electricity trading", "Residual load",
})  # fmt: skip


def public_power(world: World, countries: Sequence[str] = COUNTRIES) -> Timeline:
    """Return the power and shares of those of some countries that deliver any."""
    series = [
        {"country": country, "name": name} for country in countries for name in _names(country)
    ]
    return Timeline(
        world=world,
        source=SOURCE,
        series=series,
        values=_values,
        truth=power_told(
            power_system(world.seed),
            [(_ZONES_OF[each["country"]], _SUMMED[each["name"]]) for each in series],
            per=[_SHARES.get(each["name"], {}) for each in series],
        ),
        resolution=_QUARTER,
        schedule=after_each(timedelta(hours=1), timedelta(hours=4)),
        reach=_REACH,
        first_slot=so_long_before(_ASKED_BACK),
        rows=_rows,
    )


def columns(timeline: Timeline, country: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the visible values of a country from `start` to `end`, both included, as in a reply.

    Values up to now that are not published yet are null.
    """
    end = min(end, timeline.reached)
    seen = _delivered(timeline.visible(start, end + timedelta(seconds=1), country=country))
    slots = seen.select(pl.col("slot").unique().sort())
    values = slots.join(seen.pivot("name", index="slot", values="value"), on="slot", how="left")
    return {
        "unix_seconds": values["slot"].dt.epoch("s").to_list(),
        "production_types": [
            {"name": column.name, "data": column.to_list()} for column in values.drop("slot")
        ],
        "deprecated": False,
    }


def _names(country: str) -> Sequence[str]:
    there = plants(_ZONES_OF[country])
    some = [name for name, (plant, _) in _PLANTS.items() if plant in there]
    return [*some, *_EVERYWHERE, *_SHARES]


def _values(series: Mapping[str, Column]) -> Mapping[str, Values]:
    return {"value": Values(lowest=None if series["name"] in _BELOW_ZERO else 0)}


def _delivered(stated: pl.DataFrame) -> pl.DataFrame:
    """Leave out the quarter-hours of countries that deliver hours."""
    on_the_hour = pl.col("slot").dt.minute() == 0
    return stated.filter(~pl.col("country").is_in(_HOURLY) | on_the_hour)


def _rows(stated: pl.DataFrame) -> pl.DataFrame:
    is_share = pl.col("name").is_in(list(_SHARES))
    length = pl.when(pl.col("country").is_in(_HOURLY)).then(4 * _QUARTER).otherwise(_QUARTER)
    return _delivered(stated).select(
        "country",
        delivery_start="slot",
        delivery_end=pl.col("slot") + length,
        production_type="name",
        power_mw=pl.when(~is_share).then("value"),
        share_pct=pl.when(is_share).then("value"),
    )
