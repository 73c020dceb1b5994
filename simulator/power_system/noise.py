"""The irregular part of the simulated world: smooth noise, a pure function of the instant."""

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLOW: Final = (14_300.0, 33_100.0, 72_700.0, 151_000.0, 317_000.0, 702_000.0)
"""Periods of weather, in seconds: from hours to a week."""
QUICK: Final = (67.0, 389.0, 1_913.0, 4_721.0, 11_003.0, 41_017.0)
"""Periods of what changes within a quarter-hour."""


class Noise:
    """One irregular value for each of several names, between -1 and 1, mostly within a half.

    Args:
        seed: The world's seed.
        about: The quantity, e.g. `wind`.
        names: The names, e.g. of zones; they are numbered in this order.
        periods: The periods of its waves, in seconds.
    """

    def __init__(
        self, seed: int, about: str, names: Sequence[str], periods: Sequence[float]
    ) -> None:
        drawn = [_waves(seed, f"{about} {name}", len(periods)) for name in names]
        self._amplitudes = np.array([amplitudes for amplitudes, _ in drawn])
        self._phases = np.array([phases for _, phases in drawn])
        self._speeds = 2 * np.pi / np.array(periods)

    def at(self, numbers: Ints | int, seconds: Floats) -> Floats:
        """Return the values of the names with these numbers at instants of the same shape."""
        turns = seconds[..., None] * self._speeds + self._phases[numbers]
        total: Floats = (self._amplitudes[numbers] * np.sin(turns)).sum(axis=-1)
        return total


def _waves(seed: int, name: str, count: int) -> tuple[Floats, Floats]:
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return random.dirichlet(np.full(count, 3.0)), random.uniform(0, 2 * np.pi, count)
