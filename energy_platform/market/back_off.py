"""Back-off: how long to wait before the next try.

Each pause is twice as long as the one before, up to a bound, with a random part so that callers
do not retry in step. Who retries, and when to give up, is decided by the caller.
"""

import random
from typing import Final

_MOST_DOUBLINGS: Final = 60
"""More would be no number any more after some hours of failures; every bound is far below."""


def pause_seconds(failures: int, *, first_seconds: float, longest_seconds: float) -> float:
    """Return the pause after so many failures in a row, from half of it to the whole by chance.

    Args:
        failures: How many, the last one included.
        first_seconds: The longest pause after the first one.
        longest_seconds: The longest pause of all.

    >>> 1.0 <= pause_seconds(1, first_seconds=2, longest_seconds=60) <= 2.0
    True
    >>> 30.0 <= pause_seconds(100_000, first_seconds=2, longest_seconds=60) <= 60.0
    True
    """
    bound = min(longest_seconds, first_seconds * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return random.uniform(bound / 2, bound)  # noqa: S311 (spreads retries, guards nothing)
