"""Into which runs the next batches of a market group are split."""

import math
from collections.abc import Collection, Mapping

from resources import sensor_pace


def run_parts(
    sources: Collection[str], seconds: Mapping[str, float], *, most: int
) -> list[list[str]]:
    """Return the sources of each run.

    As long as one worker is done before the next look at the group, there is one run, since each
    costs as much as several small batches. A group that takes longer becomes as many runs as it
    needs, of about the same length.

    Args:
        sources: The sources with new data.
        seconds: How long a batch of each usually takes; one that is missing takes no time.
        most: How many runs there may be.

    >>> run_parts(["a", "b", "c"], {"a": 1.0, "b": 0.5}, most=2)
    [['a', 'b', 'c']]
    >>> run_parts(["a", "b", "c"], {"a": 4.0, "b": 2.0, "c": 3.0}, most=2)
    [['a'], ['b', 'c']]
    """
    needed = math.ceil(sum(seconds.get(source, 0.0) for source in sources) / sensor_pace.SECONDS)
    parts: list[list[str]] = [[] for _ in range(max(1, min(needed, most, len(sources))))]
    lengths = [0.0] * len(parts)
    for source in sorted(sources, key=lambda one: (-seconds.get(one, 0.0), one)):
        shortest = lengths.index(min(lengths))
        parts[shortest].append(source)
        lengths[shortest] += seconds.get(source, 0.0)
    return [[source for source in sources if source in part] for part in parts if part]
