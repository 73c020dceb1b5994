"""How many instances a pool should have; pure, so that every case can be tried.

More are started at once, since work waits. Fewer are kept only after a calm time in which fewer
were enough throughout, and then one instance is given up: load that comes and goes doesn't make the
count swing. A look that failed is no calm.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

_LATE_AT_THE_FEED: Final = 3
"""How many sources must be late before a further collector is tried: one or two are the provider's
affair.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What there is to do.

    Attributes:
        backlog_messages: Messages that have landed and that a batch could store.
        late_with_backlog: Sources that are late, and whose messages wait for a worker.
        late_at_feed: Sources that are late although all that has landed is stored, and whose
            provider answers.
        waiting_runs: Runs in the broker that no worker has taken.
        busy_workers: Workers that run something.
    """

    backlog_messages: int
    late_with_backlog: int
    late_at_feed: int
    waiting_runs: int
    busy_workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for one pool.

    Attributes:
        least: How many instances there are at least.
        most: How many at most.
        calm_seconds: How long fewer must have been enough before one is given up.
    """

    least: int
    most: int
    calm_seconds: float

    def __post_init__(self) -> None:
        """Refuse bounds that no count meets."""
        if not 0 <= self.least <= self.most:
            raise ValueError(f"no count is at least {self.least} and at most {self.most}")

    def within(self, count: int) -> int:
        """Return the count that is nearest to this one within the bounds."""
        return min(max(count, self.least), self.most)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one decision hands to the next: since when fewer instances have been enough."""

    calm_since: float | None = None


AT_FIRST: Final = Memory()


def workers_wanted(load: Load, running: int, *, messages_per_worker: int) -> int:
    """Return how many workers the load takes.

    One for each run that is under way or waits, and one for each `messages_per_worker` that wait.
    Where a source is late and its messages wait, one more than there are.
    """
    by_runs = load.busy_workers + load.waiting_runs
    by_backlog = ceil(load.backlog_messages / messages_per_worker)
    by_lag = running + 1 if load.late_with_backlog else 0
    return max(by_runs, by_backlog, by_lag)


def collectors_wanted(load: Load, running: int) -> int:
    """Return how many collectors the load takes: one more where several sources are late."""
    return running + 1 if load.late_at_feed >= _LATE_AT_THE_FEED else 0


def decide(
    policy: Policy, memory: Memory, *, now: float, running: int, wanted: int
) -> tuple[int, Memory]:
    """Return how many instances there should be, and what to remember.

    At most twice as many as are running are asked for at once, since what is started takes some
    time to show.

    Args:
        policy: The pool's bounds.
        memory: What the last decision handed on.
        now: Seconds of a clock that never goes back.
        running: How many instances there are.
        wanted: How many the load takes.
    """
    if running != policy.within(running):
        return policy.within(running), AT_FIRST
    target = policy.within(wanted)
    if target > running:
        return min(target, max(2 * running, 1)), AT_FIRST
    if target == running:
        return running, AT_FIRST
    if memory.calm_since is None:
        return running, replace(memory, calm_since=now)
    if now - memory.calm_since < policy.calm_seconds:
        return running, memory
    return running - 1, Memory(calm_since=now)
