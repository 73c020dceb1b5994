"""A cache of zones' quarter-hourly values, which are computed a day at a time."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np

from simulator.power_system.noise import Floats, Ints

QUARTER_SECONDS: Final = 900.0

_QUARTERS_A_DAY: Final = 96
_DAYS: Final = 1_000_000
"""More days than any simulated calendar has: a key is zone times this, plus day."""
_KEPT: Final = 3_000
"""How many days of zones are kept; each takes a few kilobytes."""


class QuarterHours:
    """The values of a function of zones at the starts of quarter-hours.

    Args:
        work_out: From the numbers of zones and instants (seconds since 1970) to rows of values.
    """

    def __init__(self, work_out: Callable[[Ints, Floats], Floats]) -> None:
        self._work_out = work_out
        self._days: OrderedDict[int, Floats] = OrderedDict()

    def at(self, zones: Ints, seconds: Floats) -> Floats:
        """Return the values (rows) of the quarter-hours that instants (columns) are in."""
        if not zones.size:
            return self._work_out(zones, seconds)
        quarters = np.floor(seconds / QUARTER_SECONDS).astype(np.int64)
        day, place = np.divmod(quarters, _QUARTERS_A_DAY)
        keys, which = np.unique(zones * _DAYS + day, return_inverse=True)
        wanted: list[int] = keys.tolist()
        fresh = self._fresh(key for key in wanted if key not in self._days)
        blocks = np.stack([fresh[key] if key in fresh else self._days[key] for key in wanted])
        self._days |= fresh
        while len(self._days) > _KEPT:
            self._days.popitem(last=False)
        found: Floats = blocks[which, :, place].T
        return found

    def _fresh(self, keys: Iterable[int]) -> dict[int, Floats]:
        missing = np.array(list(keys), dtype=np.int64)
        if not missing.size:
            return {}
        zones = np.repeat(missing // _DAYS, _QUARTERS_A_DAY)
        first = np.repeat(missing % _DAYS, _QUARTERS_A_DAY) * _QUARTERS_A_DAY
        quarters = first + np.tile(np.arange(_QUARTERS_A_DAY), missing.size)
        values = self._work_out(zones, (quarters * QUARTER_SECONDS).astype(np.float64))
        days = values.reshape(len(values), missing.size, _QUARTERS_A_DAY)
        return {key: days[:, number] for number, key in enumerate(missing.tolist())}
