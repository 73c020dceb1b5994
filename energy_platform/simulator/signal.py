"""Plausible values that move: smooth, noisy, with the shape of a day, the same for the same seed.

A signal is a pure function of the instant, so any window can be computed at any time, in any
order, also after a restart. What a signal means is said by the provider that uses it.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DAY_SECONDS: Final = 86_400.0
_PERIODS_SECONDS: Final = np.array([61.0, 347.0, 1_907.0, 9_311.0, 46_013.0, 263_009.0])


@dataclass(frozen=True)
class Signal:
    """A value over time.

    Attributes:
        seed: The world's seed.
        name: Tells one signal of a world from another.
        mean: Its level.
        daily: Half the height of its day shape, two peaks and a dip at noon.
        noise: Half the height of its irregular part.
    """

    seed: int
    name: str
    mean: float
    daily: float = 0.0
    noise: float = 1.0

    @cached_property
    def _parts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        random = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        amplitudes = random.dirichlet(np.ones(_PERIODS_SECONDS.size))
        return amplitudes, random.uniform(0, 2 * np.pi, _PERIODS_SECONDS.size)

    def at(self, epoch_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at instants given as seconds since 1970 (UTC), of the same shape."""
        amplitudes, phases = self._parts
        turns = 2 * np.pi * epoch_seconds[..., None] / _PERIODS_SECONDS
        irregular = (amplitudes * np.sin(turns + phases)).sum(axis=-1)
        day = 2 * np.pi * epoch_seconds / _DAY_SECONDS
        shape = 0.6 * np.sin(day - np.pi / 2) - 0.8 * np.cos(2 * day - np.pi / 6)
        result: NDArray[np.float64] = self.mean + self.daily * shape + self.noise * irregular
        return result
