"""Plausible values that vary: smooth, noisy, with a daily shape, the same for the same seed.

A signal is a pure function of the instant, so any window can be computed at any time, in any
order, also after a restart.
"""

import zlib
from collections.abc import Sequence
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

    @property
    def salt(self) -> int:
        """A seed for everything else that is random about this signal."""
        return zlib.crc32(f"{self.seed} {self.name}".encode())

    @cached_property
    def parts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Amplitudes and phases of the irregular part."""
        random = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        amplitudes = random.dirichlet(np.ones(_PERIODS_SECONDS.size))
        return amplitudes, random.uniform(0, 2 * np.pi, _PERIODS_SECONDS.size)

    def at(self, epoch_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at instants given as seconds since 1970 (UTC), of the same shape."""
        return (
            self.mean
            + self.daily * _day(epoch_seconds)
            + self.noise * _irregular(epoch_seconds, *self.parts)
        )


def at_each(
    signals: Sequence[Signal], numbers: NDArray[np.int64], epoch_seconds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values at instants, each of the signal with the number at the same place."""
    means, dailies, noises = (
        np.array([getattr(signal, name) for signal in signals])[numbers]
        for name in ("mean", "daily", "noise")
    )
    amplitudes, phases = (
        np.array([signal.parts[part] for signal in signals])[numbers] for part in (0, 1)
    )
    result: NDArray[np.float64] = (
        means
        + dailies * _day(epoch_seconds)
        + noises * _irregular(epoch_seconds, amplitudes, phases)
    )
    return result


def _day(epoch_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shape of a day: two peaks and a dip at noon, between about -1 and 1."""
    day = 2 * np.pi * epoch_seconds / _DAY_SECONDS
    shape: NDArray[np.float64] = 0.6 * np.sin(day - np.pi / 2) - 0.8 * np.cos(2 * day - np.pi / 6)
    return shape


def _irregular(
    epoch_seconds: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    phases: NDArray[np.float64],
) -> NDArray[np.float64]:
    turns = 2 * np.pi * epoch_seconds[..., None] / _PERIODS_SECONDS
    total: NDArray[np.float64] = (amplitudes * np.sin(turns + phases)).sum(axis=-1)
    return total
