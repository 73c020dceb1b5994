"""Turns the power systems into the series of timelines: sums, shares and prices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import KINDS, NUMBERS, PowerSystem
from simulator.power_system.zones import BORDERS
from simulator.timeline import Truth

Weights = Mapping[str, float]
"""Kinds of power, and how many times each counts in a sum."""

NumberedValue = Callable[[Ints, Floats], Floats]
"""Maps the numbers of zones, or of borders, and instants of the same shape to values."""

_ZONE_STEP: Final = 10**11
"""More seconds than there are until the year 5000."""


def zones_told(zones: Sequence[str], value: NumberedValue) -> Truth:
    """Return one value of a zone for each series; `zones` are those of the series, in order."""
    numbers = np.array([NUMBERS[zone] for zone in zones])
    return lambda _, series, seconds: value(numbers[series], seconds)


def power_told(
    system: PowerSystem,
    series: Sequence[tuple[Sequence[str], Weights]],
    per: Sequence[Weights] = (),
) -> Truth:
    """Return sums of power.

    Args:
        system: The power systems.
        series: Of each series the zones, and what is summed over them.
        per: What the sum of each series is divided by, e.g. for a share; nothing if it is empty.
    """
    counts = np.array([len(zones) for zones, _ in series])
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    flat = np.array([NUMBERS[zone] for zones, _ in series for zone in zones])
    sums = _matrix([weights for _, weights in series])
    divisors = _matrix(per) if per else np.zeros_like(sums)

    def truth(_: str, numbers: Ints, seconds: Floats) -> Floats:
        rows = np.repeat(np.arange(numbers.size), counts[numbers])
        begins = np.cumsum(counts[numbers]) - counts[numbers]
        places = np.arange(rows.size) - begins[rows]
        zones = flat[firsts[numbers[rows]] + places]
        keys = zones * _ZONE_STEP + seconds[rows].astype(np.int64)
        asked, which = np.unique(keys, return_inverse=True)
        power = system.power(asked // _ZONE_STEP, (asked % _ZONE_STEP).astype(float))[:, which]
        summed, divisor = (
            np.bincount(
                rows, np.einsum("rk,kr->r", matrix[numbers[rows]], power), minlength=numbers.size
            )
            for matrix in (sums, divisors)
        )
        result = summed.astype(float)  # bincount of nothing gives integers
        np.divide(result, divisor, out=result, where=divisor != 0)
        return result

    return truth


def ways_told(ways: Sequence[tuple[str, str]], value: NumberedValue) -> Truth:
    """Return the flow in one direction over a border for each series.

    Args:
        ways: The zone where the flow of each series begins, and the one where it ends.
        value: What goes from the first zone of a border to the second; below 0 where it goes back.
    """
    borders = {border: number for number, border in enumerate(BORDERS)}
    numbers = np.array([borders.get(way, borders.get(way[::-1], -1)) for way in ways])
    signs = np.array([1.0 if way in borders else -1.0 for way in ways])

    def truth(_: str, series: Ints, seconds: Floats) -> Floats:
        gone: Floats = np.maximum(signs[series] * value(numbers[series], seconds), 0.0)
        return gone

    return truth


def _matrix(series: Sequence[Weights]) -> Floats:
    return np.array([[weights.get(kind, 0.0) for kind in KINDS] for weights in series])
