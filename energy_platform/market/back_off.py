"""Back-off: how long to wait before the next try.

Each pause is twice as long as the one before, up to a bound, with a random part so that callers do
not retry in step. The caller decides whether to retry and when to give up.
"""

import random
from typing import Final

_MOST_DOUBLINGS: Final = 60
"""More doublings would overflow a float after hours of failures; every bound is far below."""


def pause_seconds(failures: int, *, first_seconds: float, longest_seconds: float) -> float:
    """Return the pause after a number of failures in a row, between half and the whole at random.

    Args:
        failures: The number of failures, the last one included.
        first_seconds: The longest pause after the first failure.
        longest_seconds: The longest pause of all.

    >>> 1.0 <= pause_seconds(1, first_seconds=2, longest_seconds=60) <= 2.0
    True
    >>> 30.0 <= pause_seconds(100_000, first_seconds=2, longest_seconds=60) <= 60.0
    True
    """
    bound = min(longest_seconds, first_seconds * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return random.uniform(bound / 2, bound)  # noqa: S311 (spreads retries, guards nothing)
