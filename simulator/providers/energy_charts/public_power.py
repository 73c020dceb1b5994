"""The public power of Europe's countries: which series each has, and when each value is known.

A country delivers quarter-hours or hours, the types of production that it has, its load, and two
shares in per cent. Every value is known an hour after its period and stated anew, a little
different, when the meters have been read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from energy_platform.formats.energy_charts import COUNTRIES
from simulator.timeline import Column, Timeline, Values, after_each
from simulator.world import World

SOURCE: Final = "energy_charts_generation"

_QUARTER: Final = timedelta(minutes=15)
_REACH: Final = timedelta(hours=5)
_HISTORY: Final = timedelta(hours=12)
"""Of the twenty hours that a feed's first round asks for, the last statement of each slot."""

_SILENT: Final = ("mt", "nie", "tr", "uk")
"""Countries of which nothing has come for years."""
_HOURLY: Final = ("al", "ba", "ch", "cy", "ge", "ie", "md", "me", "mk", "rs", "ua", "xk")

_SIZES_MW: Final = {
    "eu": 300_000, "de": 60_000, "fr": 55_000, "it": 35_000, "es": 30_000, "pl": 20_000,
    "se": 16_000, "no": 16_000, "nl": 13_000, "ua": 12_000, "be": 10_000,
}  # fmt: skip
_SIZE_MW: Final = 4_000
"""Mean load of every other country."""

_EVERYWHERE: Final = {
    "Hydro pumped storage consumption": Values(mean=-0.02, noise=0.03),
    "Cross border electricity trading": Values(mean=0.0, noise=0.2),
    "Hydro Run-of-River": Values(mean=0.08, noise=0.03, lowest=0),
    "Biomass": Values(mean=0.05, noise=0.01, lowest=0),
    "Fossil hard coal": Values(mean=0.06, noise=0.05, lowest=0),
    "Fossil oil": Values(mean=0.01, noise=0.01, lowest=0),
    "Fossil gas": Values(mean=0.15, daily=0.05, noise=0.1, lowest=0),
    "Hydro water reservoir": Values(mean=0.08, daily=0.03, noise=0.04, lowest=0),
    "Hydro pumped storage": Values(mean=0.02, daily=0.02, noise=0.03, lowest=0),
    "Others": Values(mean=0.02, noise=0.01, lowest=0),
    "Waste": Values(mean=0.01, noise=0.003, lowest=0),
    "Wind onshore": Values(mean=0.2, noise=0.2, lowest=0),
    "Solar": Values(mean=0.0, daily=0.3, noise=0.05, lowest=0),
    "Load": Values(mean=1.0, daily=0.15, noise=0.1, lowest=0),
    "Residual load": Values(mean=0.6, daily=0.1, noise=0.4),
}
_IN_SOME: Final = {
    "Nuclear": Values(mean=0.3, noise=0.05, lowest=0),
    "Fossil brown coal / lignite": Values(mean=0.15, noise=0.08, lowest=0),
    "Fossil coal-derived gas": Values(mean=0.01, noise=0.005, lowest=0),
    "Geothermal": Values(mean=0.002, noise=0.001, lowest=0),
    "Wind offshore": Values(mean=0.05, noise=0.05, lowest=0),
}
"""As parts of the country's mean load."""
_SHARES: Final = ("Renewable share of generation", "Renewable share of load")
_SHARE: Final = Values(mean=55.0, daily=10.0, noise=30.0, lowest=0, decimals=2)
_WITHOUT: Final = {
    "Nuclear": ("at", "dk", "de", "ee", "gr", "hr", "it", "lt", "lu", "lv", "no", "pl", "pt"),
    "Wind offshore": ("at", "bg", "cz", "ee", "gr", "hr", "hu", "lu", "lv", "ro", "si", "sk"),
    "Geothermal": ("dk", "ee", "fi", "lt", "lv", "lu", "nl", "no", "pl", "se", "sk"),
    "Fossil coal-derived gas": ("dk", "ee", "hr", "lt", "lv", "lu", "no", "pt", "se", "si"),
    "Fossil brown coal / lignite": ("at", "be", "dk", "fr", "it", "lu", "nl", "no", "pt", "se"),
}


def public_power(world: World) -> Timeline:
    """Return the power and shares of all countries that deliver any."""
    return Timeline(
        world=world,
        source=SOURCE,
        series=[
            {"country": country, "name": name}
            for country in COUNTRIES
            if country not in _SILENT
            for name in _names(country)
        ],
        values=_values,
        resolution=_QUARTER,
        schedule=after_each(timedelta(hours=1), timedelta(hours=4)),
        reach=_REACH,
        history=_HISTORY,
        rows=_rows,
    )


def columns(timeline: Timeline, country: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Return what is seen of a country from `start` to `end`, both included, as a reply has it.

    Values that are not published yet are null, as far as the present goes.
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
    if country in _HOURLY:
        return [*_EVERYWHERE, *_SHARES]
    some = [name for name in _IN_SOME if country not in _WITHOUT[name]]
    return [*_EVERYWHERE, *some, *_SHARES]


def _values(series: Mapping[str, Column]) -> Mapping[str, Values]:
    if series["name"] in _SHARES:
        return {"value": _SHARE}
    part = (_EVERYWHERE | _IN_SOME)[str(series["name"])]
    size = _SIZES_MW.get(str(series["country"]), _SIZE_MW)
    return {
        "value": Values(
            mean=part.mean * size,
            daily=part.daily * size,
            noise=part.noise * size,
            lowest=part.lowest,
            decimals=2,
        )
    }


def _delivered(stated: pl.DataFrame) -> pl.DataFrame:
    """Leave out the quarter-hours of countries that deliver hours."""
    on_the_hour = pl.col("slot").dt.minute() == 0
    return stated.filter(~pl.col("country").is_in(_HOURLY) | on_the_hour)


def _rows(stated: pl.DataFrame) -> pl.DataFrame:
    is_share = pl.col("name").is_in(_SHARES)
    length = pl.when(pl.col("country").is_in(_HOURLY)).then(4 * _QUARTER).otherwise(_QUARTER)
    return _delivered(stated).select(
        "country",
        delivery_start="slot",
        delivery_end=pl.col("slot") + length,
        production_type="name",
        power_mw=pl.when(~is_share).then("value"),
        share_pct=pl.when(is_share).then("value"),
    )
