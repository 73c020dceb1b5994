"""What happens in the simulated power systems: weather, load, generation, prices and flows.

Everything is a pure function of the seed and the instant. The load follows the hour, the weekday
and the season. Wind and sun follow a weather that neighbours share. The residual load makes the
price. Power flows from cheap zones to dear ones, and other plants cover the rest.

Two things are only known as they come. The load differs from what was expected: the auction and the
forecasts of the load know nothing of it, and intraday trading and the imbalance follow it. And both
have moods of their own. `foreseen_spread` and `foreseen_lack` say what is to be expected of them by
one who knows all that is so at an instant, and nothing of what comes after it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from simulator.power_system.noise import QUICK, SLOW, Floats, Ints, Noise
from simulator.power_system.quarter_hours import QUARTER_SECONDS, QuarterHours
from simulator.power_system.wandering import Wandering
from simulator.power_system.zones import BORDERS, HOURLY, ZONES

NAMES: Final = tuple(ZONES)
NUMBERS: Final = {name: number for number, name in enumerate(NAMES)}
"""The zones' numbers; all functions here take these."""

_GERMANY: Final = NUMBERS["DE-LU"]
_MARKET_TIME: Final = "Europe/Berlin"
_HOUR_SECONDS: Final = 3_600.0
_YEAR_DAYS: Final = 365.25
_QUARTERS_SINCE: Final = 1_759_269_600.0
"""1 October 2025, Brussels' midnight: since then the coupled auction knows quarter-hours."""
_STEPS_EUR_PER_MWH: Final = 5.0
_STEPPED: Final = ("ES", "FI", "SE4")
"""Zones whose prices move in steps, so that successive prices are often equal."""

_SURPRISE_OF_LOAD: Final = 0.06
"""By which share of itself the load exceeds the expected one where the surprise is 1."""
_SURPRISE_EUR_PER_MWH: Final = 40.0
"""By how much a surprise of 1 makes intraday prices exceed those of the auction."""
_SURPRISE_LACKING: Final = 0.25
_RAMP_LACKING: Final = 3.0
"""What a surprise of 1, and a load that exceeds the mean of its hour's ends by a mean load, add to
the imbalance: schedules hold for an hour, the load doesn't."""

_LOAD_BY_HOUR: Final = np.array([
    0.82, 0.78, 0.76, 0.75, 0.77, 0.84, 0.95, 1.05, 1.09, 1.10, 1.11, 1.12,
    1.11, 1.09, 1.07, 1.06, 1.08, 1.13, 1.16, 1.13, 1.07, 1.00, 0.94, 0.88, 0.82,
])  # fmt: skip
_WEEKEND: Final = 0.88
_SATURDAY: Final = 6
_WEEK_DAYS: Final = 7
_WEEKDAY_OF_1970: Final = 3
"""1 January 1970 was a Thursday, the third day after a Monday."""
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_WANDERING: Final = (
    ("surprise of the load", 0.3, _HOUR, 48 * _HOUR),
    ("intraday mood", 6.0, 15 * _MINUTE, 8 * _HOUR),
    ("intraday wobble", 2.5, 5 * _MINUTE, 20 * _MINUTE),
    ("imbalance", 0.22, 15 * _MINUTE, 2.5 * _HOUR),
    ("imbalance within minutes", 0.06, _MINUTE, 4 * _MINUTE),
)
"""What wanders: its deviation (moods in EUR/MWh), for how long a value holds, and its memory."""
_ALL_YEAR: Final = {
    "biomass": 0.05, "waste": 0.012, "geothermal": 0.001, "coal gas": 0.006, "other": 0.02,
}  # fmt: skip
"""Plants that run day and night in every zone, as parts of its mean load."""
_STEELWORKS: Final = ("AT", "BE", "CZ", "DE-LU", "ES", "FR", "HU", "IT-South", "NL", "PL", "SK")
_HOT_WELLS: Final = ("AT", "DE-LU", "FR", "HR", "HU", "IT-Centre-North", "PT")
"""The zones that have coal gas or geothermal power."""
_FOLLOWING: Final = ("lignite", "hard coal", "gas", "oil", "reservoir")
KINDS: Final = (
    "load", "import", "pumping", "pumped", "onshore", "offshore", "solar", "nuclear", "river",
    *_ALL_YEAR, *_FOLLOWING,
)  # fmt: skip
"""The kinds that `PowerSystem.power` returns, in this order."""
GENERATION: Final = KINDS[3:]
RENEWABLE: Final = (
    "onshore", "offshore", "solar", "river", "reservoir", "biomass", "geothermal",
)  # fmt: skip


class PowerSystem:
    """The power systems of one world; see `power_system`."""

    def __init__(self, seed: int) -> None:
        self._weather, self._clouds, self._use = (
            Noise(seed, about, [*NAMES, "Europe"], SLOW) for about in ("wind", "clouds", "load")
        )
        self._river, self._outages, self._fuel = (
            Noise(seed, about, NAMES, SLOW) for about in ("river", "outages", "fuel")
        )
        self._bids = Noise(seed, "bids", NAMES, QUICK)
        self._morning = Noise(seed, "intraday drift", NAMES, SLOW)
        self._wrong = Noise(seed, "forecast error", NAMES, SLOW)
        self._surprise, self._mood, self._wobble, self._lacking, self._jitter = (
            Wandering(seed=seed, about=about, size=size, step=step, memory=memory)
            for about, size, step, memory in _WANDERING
        )
        self._loops = Noise(seed, "loop flow", [f"{a} {b}" for a, b in BORDERS], SLOW)
        self._prices = QuarterHours(lambda zones, starts: self._price(zones, starts)[None])
        self._powers = QuarterHours(self._power)

    def price(self, zones: Ints, seconds: Floats) -> Floats:
        """Return day-ahead prices, EUR/MWh, of the delivery periods that instants are in."""
        prices: Floats = self._prices.at(zones, seconds)[0]
        return prices

    def power(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the power, MW, of each of `KINDS` (rows) in zones at instants (columns).

        Between the starts of quarter-hours it is interpolated linearly.
        """
        starts = np.floor(seconds / QUARTER_SECONDS) * QUARTER_SECONDS
        power = self._powers.at(zones, starts)
        if np.array_equal(starts, seconds):
            return power
        gone = (seconds - starts) / QUARTER_SECONDS
        following: Floats = self._powers.at(zones, starts + QUARTER_SECONDS)
        return power + gone * (following - power)

    def _price(self, zones: Ints, seconds: Floats) -> Floats:
        starts = _market_time_unit(zones, seconds)
        own = self._tightness(zones, starts)
        germany = self._tightness(np.full_like(zones, _GERMANY), starts)
        tight = np.where(zones == _GERMANY, own, 0.65 * germany + 0.35 * own)
        scarce = np.maximum(tight - 0.25, 0.0)
        glut = np.maximum(-0.45 - tight, 0.0)
        prices: Floats = (
            82.0
            + 105.0 * tight
            + 420.0 * scarce**2
            - 160.0 * glut
            + 12.0 * self._fuel.at(zones, starts)
            + 8.0 * self._bids.at(zones, starts)
        )
        steps = np.round(prices / _STEPS_EUR_PER_MWH) * _STEPS_EUR_PER_MWH
        stated: Floats = np.where(np.isin(zones, _STEPPED_NUMBERS), steps, prices)
        return stated

    def intraday_price(self, zones: Ints, seconds: Floats, at: Floats) -> Floats:
        """Return what delivery periods are worth in continuous trading at other instants.

        It is the auction's price, and what the load's surprise of now lets expect of delivery; and
        traders have moods.
        """
        moods = self._mood.at(zones, at) + self._wobble.at(zones, at)
        foreseen = self._surprise.at(zones, at) * self._surprise.kept(at, seconds)
        return self.price(zones, seconds) + _SURPRISE_EUR_PER_MWH * foreseen + moods

    def foreseen_spread(self, zones: Ints, seconds: Floats, at: Floats, known: Floats) -> Floats:
        """Return how far the intraday price of `at` is expected to exceed the auction's.

        Args:
            zones: The zones.
            seconds: When delivery begins.
            at: When it is traded.
            known: Until when everything is known; before `at`.

        Returns:
            The conditional mean of `intraday_price` less `price`, EUR/MWh.
        """
        surprise = self._surprise.at(zones, known) * self._surprise.kept(known, seconds)
        moods = self._mood.at(zones, known) * self._mood.kept(known, at)
        quick = self._wobble.at(zones, known) * self._wobble.kept(known, at)
        return _SURPRISE_EUR_PER_MWH * surprise + moods + quick

    def imbalance_mw(self, zones: Ints, seconds: Floats) -> Floats:
        """Return what a zone lacks (more than 0) or has too much of."""
        return 12.0 * np.sqrt(_LOAD_MW[zones]) * self._lack(zones, seconds)

    def foreseen_lack(self, zones: Ints, seconds: Floats, known: Floats) -> tuple[Floats, Floats]:
        """Return what is to be expected of `imbalance_mw` by one who knows all until an instant.

        Returns:
            Its conditional mean and standard deviation, MW.
        """
        size = 12.0 * np.sqrt(_LOAD_MW[zones])
        mean, variance = self._ramp(zones, seconds), np.zeros(seconds.shape)
        for part, weight in self._parts_of_lack():
            kept = part.kept(known, seconds)
            mean = mean + weight * kept * part.at(zones, known)
            variance = variance + (weight * part.size) ** 2 * (1.0 - kept**2)
        return size * mean, size * np.sqrt(variance)

    def _lack(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the imbalance in units of its zone, mostly between -1 and 1."""
        parts = sum(weight * part.at(zones, seconds) for part, weight in self._parts_of_lack())
        return self._ramp(zones, seconds) + parts

    def _parts_of_lack(self) -> Sequence[tuple[Wandering, float]]:
        return (self._surprise, _SURPRISE_LACKING), (self._lacking, 1.0), (self._jitter, 1.0)

    def _ramp(self, zones: Ints, seconds: Floats) -> Floats:
        """Return what the expected load's ramp within its hour adds to the imbalance."""
        begins = np.floor(seconds / _HOUR_SECONDS) * _HOUR_SECONDS
        instants = np.stack([begins, begins + _HOUR_SECONDS, seconds])
        before, after, now = self._load(np.broadcast_to(zones, instants.shape), instants)
        above: Floats = now - 0.5 * (before + after)
        return _RAMP_LACKING * above / _LOAD_MW[zones]

    def imbalance_price(self, zones: Ints, seconds: Floats) -> Floats:
        """Return what imbalances cost: the intraday price, and more where power is lacking."""
        lack = self._lack(zones, seconds)
        prices: Floats = (
            self.intraday_price(zones, seconds, seconds) + 130.0 * lack + 260.0 * lack**3
        )
        return prices

    def morning_price(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the prices of the auction that EXAA holds before the coupled one."""
        return self.price(zones, seconds) + 9.0 * self._morning.at(zones, seconds)

    def forecast_error(self, zones: Ints, seconds: Floats) -> Floats:
        """Return how wrong a zone's forecasts of wind and sun are: between -1 and 1."""
        return self._wrong.at(zones, seconds)

    def expected_load_mw(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the load that everybody expects; `power` has the one that comes."""
        return self._load(zones, seconds)

    def exchange_mw(self, borders: Ints, seconds: Floats) -> Floats:
        """Return the scheduled exchange over borders, from the first zone to the second."""
        starts = _border_time_unit(borders, seconds)
        first, second = (self.price(ends[borders], starts) for ends in _BORDER_ENDS)
        flows: Floats = _CAPACITY_MW[borders] * np.tanh((second - first) / 20.0)
        return flows

    def flow_mw(self, borders: Ints, seconds: Floats) -> Floats:
        """Return what flows over a border: most of the schedule, and what loops through."""
        starts = _border_time_unit(borders, seconds)
        loops = 0.4 * _CAPACITY_MW[borders] * self._loops.at(borders, starts)
        flows: Floats = 0.85 * self.exchange_mw(borders, seconds) + loops
        return flows

    def _net_import(self, zones: Ints, seconds: Floats) -> Floats:
        """Return what zones are scheduled to get from all their neighbours."""
        total = np.zeros(seconds.shape)
        for border, sign, has in _neighbours():
            inside = has[zones]
            numbers = border[zones[inside]]
            exchange = self.exchange_mw(numbers, seconds[inside])
            total[inside] += sign[zones[inside]] * exchange
        return total

    def _power(self, zones: Ints, seconds: Floats) -> Floats:
        sizes = _LOAD_MW[zones]
        surprise = 1.0 + _SURPRISE_OF_LOAD * self._surprise.at(zones, seconds)
        load = self._load(zones, seconds) * surprise
        outages = self._outages.at(zones, seconds)
        steady = 1.0 + 0.1 * outages
        given = {
            **self._wind_and_sun(zones, seconds),
            "nuclear": sizes * _SIZES["nuclear"][zones] * (0.9 + 0.1 * outages),
            "river": sizes * _SIZES["river"][zones] * (1.0 + 0.4 * self._river.at(zones, seconds)),
            **{kind: sizes * _SIZES[kind][zones] * steady for kind in _ALL_YEAR},
        }
        tight = self._tightness(zones, seconds)
        pumps = sizes * _SIZES["pumped"][zones]
        found = {
            "load": load,
            "import": self._net_import(zones, seconds),
            "pumping": pumps * _switched(-0.15 - tight),
            "pumped": pumps * _switched(tight - 0.15),
            **given,
        }
        rest = load + found["pumping"] - found["pumped"] - sum(given.values()) - found["import"]
        weights = np.array([_SIZES[kind][zones] for kind in _FOLLOWING])
        shares = np.maximum(rest, 0.01 * sizes) * weights / weights.sum(axis=0)
        found |= dict(zip(_FOLLOWING, shares, strict=True))
        return np.array([found[kind] for kind in KINDS])

    def _tightness(self, zones: Ints, seconds: Floats) -> Floats:
        """Return how far the expected residual load exceeds the usual one, in mean loads."""
        renewable = sum(self._wind_and_sun(zones, seconds).values())
        left: Floats = (self._load(zones, seconds) - renewable) / _LOAD_MW[zones]
        return left - _USUALLY_LEFT[zones]

    def _load(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the expected load."""
        hour, weekday, year = _calendar(seconds)
        day = np.interp(hour, np.arange(25), _LOAD_BY_HOUR)
        week = np.where(weekday >= _SATURDAY, _WEEKEND, 1.02)
        season = 1.0 + 0.1 * np.cos(2 * np.pi * (year - 0.05))
        noise = 1.0 + 0.06 * self._use.at(zones, seconds)
        loads: Floats = _LOAD_MW[zones] * day * week * season * noise
        return loads

    def _wind_and_sun(self, zones: Ints, seconds: Floats) -> dict[str, Floats]:
        sizes = _LOAD_MW[zones]
        wind = 0.6 * self._weather.at(_EUROPE, seconds) + 0.5 * self._weather.at(zones, seconds)
        clouds = 0.5 * self._clouds.at(_EUROPE, seconds) + 0.6 * self._clouds.at(zones, seconds)
        clear = _sun(zones, seconds) * (0.3 + 0.7 * _switched(0.3 * clouds))
        return {
            "onshore": sizes * _SIZES["onshore"][zones] / (1.0 + np.exp(1.3 - 4.5 * wind)),
            "offshore": sizes * _SIZES["offshore"][zones] / (1.0 + np.exp(0.5 - 4.5 * wind)),
            "solar": sizes * _SIZES["solar"][zones] * 0.85 * clear,
        }


@lru_cache(maxsize=8)
def power_system(seed: int) -> PowerSystem:
    """Return the power systems of the world with a seed."""
    return PowerSystem(seed)


def plants(zones: Sequence[str]) -> list[str]:
    """Return the kinds of generation that any of some zones has."""
    numbers = [NUMBERS[zone] for zone in zones]
    return [kind for kind in GENERATION if _SIZES[kind][numbers].any()]


def _switched(driver: Floats) -> Floats:
    """Return how far something is switched on: a half at 0, nearly 0 or 1 a few tenths away."""
    return 1.0 / (1.0 + np.exp(-12.0 * driver))


def _calendar(seconds: Floats) -> tuple[Floats, Ints, Floats]:
    """Return the hour of the local day, the weekday from 1, and the part of the year gone by."""
    utc = pl.from_epoch(pl.Series(seconds.ravel()).cast(pl.Int64), time_unit="s")
    zoned = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(_MARKET_TIME)
    local = zoned.dt.replace_time_zone(None).to_numpy().reshape(seconds.shape)
    day, year = (local.astype(f"datetime64[{unit}]") for unit in "DY")
    minutes = (local - day).astype("timedelta64[m]").astype(np.float64)
    weekday = (day.astype(np.int64) + _WEEKDAY_OF_1970) % _WEEK_DAYS + 1
    gone = (day - year.astype("datetime64[D]")).astype(np.float64) + 1.0
    return minutes * (1 / 60), weekday, gone * (1 / _YEAR_DAYS)


def _sun(zones: Ints, seconds: Floats) -> Floats:
    """Return how high the sun stands, as the sine of its elevation; 0 at night."""
    days = seconds / 86_400.0
    tilt = np.radians(-23.44) * np.cos(2 * np.pi * (days + 10.0) / _YEAR_DAYS)
    hour_angle = 2 * np.pi * days + np.pi + _LONGITUDE[zones]
    latitude = _LATITUDE[zones]
    height = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(hour_angle)
    above: Floats = np.maximum(height, 0.0)
    return above


def _market_time_unit(zones: Ints, seconds: Floats) -> Floats:
    """Return when the delivery periods of the auction that instants are in begin."""
    quarters = np.floor(seconds / QUARTER_SECONDS) * QUARTER_SECONDS
    hours = np.floor(seconds / _HOUR_SECONDS) * _HOUR_SECONDS
    hourly = np.isin(zones, _HOURLY_NUMBERS) | (seconds < _QUARTERS_SINCE)
    return np.where(hourly, hours, quarters)


def _border_time_unit(borders: Ints, seconds: Floats) -> Floats:
    """Return the same for exchanges: Germany's are by quarter-hours, the others by hours."""
    by_quarter = (_BORDER_ENDS[0] == _GERMANY) | (_BORDER_ENDS[1] == _GERMANY)
    length = np.where(by_quarter[borders], QUARTER_SECONDS, _HOUR_SECONDS)
    return np.floor(seconds / length) * length


@lru_cache(maxsize=1)
def _neighbours() -> Sequence[tuple[Ints, Floats, np.typing.NDArray[np.bool_]]]:
    """Return each zone's first border, second border and so on: number, sign, and if there is one.

    The sign is that of an import, where the exchange is from the first zone to the second.
    """
    of_zone: Mapping[int, list[tuple[int, float]]] = {number: [] for number in range(len(NAMES))}
    for border, (first, second) in enumerate(BORDERS):
        of_zone[NUMBERS[first]].append((border, -1.0))
        of_zone[NUMBERS[second]].append((border, 1.0))
    most = max(len(borders) for borders in of_zone.values())
    return [
        (
            np.array([borders[place][0] if place < len(borders) else 0 for borders in lists]),
            np.array([borders[place][1] if place < len(borders) else 0.0 for borders in lists]),
            np.array([place < len(borders) for borders in lists]),
        )
        for lists in [list(of_zone.values())]
        for place in range(most)
    ]


def _each(attribute: str) -> Floats:
    return np.array([getattr(zone, attribute) for zone in ZONES.values()])


_LOAD_MW: Final = _each("load_mw")
_LATITUDE, _LONGITUDE = np.radians(_each("latitude")), np.radians(_each("longitude"))
_SIZES: Final = {
    **{
        name: _each(name)
        for name in (
            "pumped", "onshore", "offshore", "solar", "nuclear", "river", "lignite", "gas",
            "reservoir",
        )
    },
    "hard coal": _each("coal"),
    "oil": np.full(len(NAMES), 0.015),
    **{kind: np.full(len(NAMES), part) for kind, part in _ALL_YEAR.items()},
    "coal gas": np.where(np.isin(NAMES, _STEELWORKS), _ALL_YEAR["coal gas"], 0.0),
    "geothermal": np.where(np.isin(NAMES, _HOT_WELLS), _ALL_YEAR["geothermal"], 0.0),
}  # fmt: skip
"""What zones have of each kind of generation, in parts of their mean load; weights where plants
follow the load."""
_USUALLY_LEFT: Final = (
    1.0 - 0.25 * _SIZES["onshore"] - 0.4 * _SIZES["offshore"] - 0.12 * _SIZES["solar"]
)
_EUROPE: Final = len(NAMES)
_HOURLY_NUMBERS: Final = np.array([NUMBERS[name] for name in sorted(HOURLY)])
_STEPPED_NUMBERS: Final = np.array([NUMBERS[name] for name in _STEPPED])
_BORDER_ENDS: Final = tuple(
    np.array([NUMBERS[border[end]] for border in BORDERS]) for end in (0, 1)
)
_CAPACITY_MW: Final = 200.0 + 0.12 * np.minimum(*(_LOAD_MW[ends] for ends in _BORDER_ENDS))
