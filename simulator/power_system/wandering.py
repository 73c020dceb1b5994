"""What wanders and returns: noise of which is known what to expect of it later.

`noise` is smooth and repeats itself, so whoever knows enough of its past knows its future. Here
each step brings a shock that nothing before it tells of. Who knows a value now expects a known part
of it later (`kept`), and nothing is better than that. Each value is a pure function of the instant:
a shock is drawn from its number, and a value is the sum of the shocks before it, each worth less
with every step.
"""

import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from simulator.power_system.noise import Floats, Ints

_FORGOTTEN: Final = 6.0
"""After so many times its memory a shock is left out: it is worth less than 0.3 %."""
_HASH_RANGE: Final = 2.0**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wandering:
    """A process of order one for each number: mean 0, deviation `size`, forgetful.

    Attributes:
        seed: The world's seed.
        about: The quantity; each has shocks of its own.
        size: Its standard deviation.
        step: For how long a value holds.
        memory: After how long a part of 1/e of a value is left, in expectation.
    """

    seed: int
    about: str
    size: float
    step: timedelta
    memory: timedelta
    _weights: Floats = field(init=False)

    def __post_init__(self) -> None:
        """Work out what the shocks of the past are worth."""
        count = int(_FORGOTTEN * (self.memory / self.step))
        weights = np.exp(-np.arange(count)[::-1] * (self.step / self.memory))
        object.__setattr__(self, "_weights", weights / np.sqrt((weights**2).sum()))

    def at(self, numbers: Ints, seconds: Floats) -> Floats:
        """Return the values of these numbers at instants (seconds since 1970) of the same shape."""
        steps = self._step_of(seconds)
        result = np.zeros(seconds.shape)
        for number in np.unique(numbers).tolist():
            there = numbers == number
            result[there] = self._levels(number, steps[there])
        return result

    def kept(self, known: Floats, later: Floats) -> Floats:
        """Return which part of a value known at an instant is to be expected at a later one."""
        gone = np.maximum(self._step_of(later) - self._step_of(known), 0)
        kept: Floats = np.exp(-gone * (self.step / self.memory))
        return kept

    def _step_of(self, seconds: Floats) -> Ints:
        return np.floor(seconds / self.step.total_seconds()).astype(np.int64)

    def _levels(self, number: int, steps: Ints) -> Floats:
        """Return the values in some steps; each is a sum in a fixed order, whatever is asked."""
        asked, which = np.unique(steps, return_inverse=True)
        held = self._weights.size
        levels = np.empty(asked.size)
        # One stretch for steps that are close together, so that few shocks are drawn twice.
        for stretch in np.split(np.arange(asked.size), np.flatnonzero(np.diff(asked) > held) + 1):
            first, last = int(asked[stretch[0]]), int(asked[stretch[-1]])
            shocks = self._shocks(number, np.arange(first - held + 1, last + 1))
            felt = np.lib.stride_tricks.sliding_window_view(shocks, held)
            levels[stretch] = (felt[asked[stretch] - first] * self._weights).sum(axis=-1)
        return self.size * levels[which]

    def _shocks(self, number: int, steps: Ints) -> Floats:
        """Return a shock of mean 0 and deviation 1 for each step."""
        salt = zlib.crc32(f"{self.seed} {self.about} {number}".encode())
        chance = pl.Series(steps).hash(seed=salt).to_numpy() / _HASH_RANGE
        shocks: Floats = np.sqrt(12.0) * (chance - 0.5)
        return shocks
