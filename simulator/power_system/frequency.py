"""The frequency of a synchronous grid: noise that returns to 50 Hz, and jumps at schedule changes.

Plants change their output in steps at full hours and quarter-hours, and the load does not. So the
frequency leaves its band for some minutes there, as it does in the real grid. Each value is a pure
function of the instant: the noise is a moving mean of shocks, each of them drawn from its number.
"""

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from simulator.power_system.noise import Floats, Ints

_NOMINAL_HZ: Final = 50.0
_SHOCK_EVERY_SECONDS: Final = 5
_RETURN_SECONDS: Final = 150.0
_SHOCKS_HELD: Final = 180
"""So many shocks are felt at an instant; what older ones are worth is under a thousandth."""
_RISE_SECONDS: Final = 80.0
_FALL_SECONDS: Final = 230.0
_DAY_SECONDS: Final = 86_400.0
_HASH_RANGE: Final = 2.0**64

_KERNEL: Final[Floats] = np.exp(
    -np.arange(_SHOCKS_HELD)[::-1] * _SHOCK_EVERY_SECONDS / _RETURN_SECONDS
)
_UNIT: Final = _KERNEL / np.sqrt((_KERNEL**2).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFrequency:
    """The frequency of one grid in one world.

    Attributes:
        seed: The world's seed.
        grid: The grid's name.
        noise_hz: The standard deviation of its noise.
        jumps_hz: The usual deviation at each multiple of a length of time.
    """

    seed: int
    grid: str
    noise_hz: float
    jumps_hz: tuple[tuple[timedelta, float], ...]

    def at(self, seconds: Floats) -> Floats:
        """Return the frequency at instants given as seconds since 1970 (UTC)."""
        if seconds.size == 0:
            return seconds
        result = _NOMINAL_HZ + self.noise_hz * self._noise(seconds)
        for every, size in self.jumps_hz:
            result = result + size * self._jumps(seconds, every.total_seconds())
        return result

    def _noise(self, seconds: Floats) -> Floats:
        """Return noise of mean 0 and deviation 1; between two shocks it is a straight line."""
        first, last = (int(edge // _SHOCK_EVERY_SECONDS) for edge in (seconds.min(), seconds.max()))
        shocks = self._drawn("shock", np.arange(first - _SHOCKS_HELD + 1, last + 2))
        felt = np.lib.stride_tricks.sliding_window_view(shocks, _SHOCKS_HELD)
        # A sum of products in a fixed order: the same digits, however long the window is.
        levels = (felt * _UNIT).sum(axis=-1)
        place = seconds / _SHOCK_EVERY_SECONDS - first
        before = place.astype(np.int64)
        share = place - before
        line: Floats = levels[before] * (1 - share) + levels[before + 1] * share
        return line

    def _jumps(self, seconds: Floats, every: float) -> Floats:
        """Return what schedule changes do: the load's ramp says which way, mostly."""
        number = np.round(seconds / every).astype(np.int64)
        change = number * every
        ramp = np.sin(2 * 2 * np.pi * (change % _DAY_SECONDS) / _DAY_SECONDS)
        size = ramp + 0.5 * self._drawn(f"jump {every:.0f}", number)
        away = seconds - change
        shape = np.exp(np.where(away < 0, away / _RISE_SECONDS, -away / _FALL_SECONDS))
        result: Floats = size * shape
        return result

    def _drawn(self, about: str, numbers: Ints) -> Floats:
        """Return a number of mean 0 and deviation 1 for each of these numbers."""
        salt = zlib.crc32(f"{self.seed} {self.grid} {about}".encode())
        chance = pl.Series(numbers).hash(seed=salt).to_numpy() / _HASH_RANGE
        result: Floats = np.sqrt(12.0) * (chance - 0.5)
        return result


_HOUR: Final = timedelta(hours=1)
_HALF_HOUR: Final = timedelta(minutes=30)
_QUARTER: Final = timedelta(minutes=15)


def continental_europe(seed: int) -> GridFrequency:
    """Return the frequency of Continental Europe, whose normal band is 50 mHz wide each way."""
    jumps = ((_HOUR, 0.028), (_QUARTER, 0.008))
    return GridFrequency(seed=seed, grid="CE", noise_hz=0.016, jumps_hz=jumps)


def great_britain(seed: int) -> GridFrequency:
    """Return the frequency of Great Britain, a smaller grid with half-hourly settlement."""
    jumps = ((_HALF_HOUR, 0.03),)
    return GridFrequency(seed=seed, grid="GB", noise_hz=0.055, jumps_hz=jumps)
