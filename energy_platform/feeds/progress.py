"""How far a polling feed got: the cursor that carries its progress over a restart.

Every question has progress of its own. Those that are answered share one instant that they have
reached; one that is not answered while others are is kept apart (`Held`) with what it still has to
ask for. Cursors of older versions are read; they hold nothing apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

Marks = Mapping[str, str]
"""What is remembered of the last answer to a request: its hash, and validators such as an ETag."""


_SLOWEST: Final = timedelta(hours=1)
"""A held question is asked again after this long, or after two rounds where these are longer."""


@dataclass(slots=True)
class Round:
    """One window that is asked for, request by request.

    Attributes:
        start: Where the window starts.
        end: Where it ends.
        began_at: Market time at which its first request was sent.
        answered: The requests that were answered, to the last page, each with the newest instant
            that its answer holds a value for; None where that can't be told.
        failed: The requests that were tried in vain, and the last error of each.
    """

    start: datetime
    end: datetime
    began_at: datetime
    answered: dict[str, datetime | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """A question that is not answered, and is asked again at a pace of its own.

    Attributes:
        label: What it asks for, for people to read.
        start: From when on it has not been answered.
        end: Where the window ends that it belongs to.
        again_at: Market time at which it may be asked again.
        failures: How often in a row it was asked in vain; 0 where it only waits for its turn.
        reason: Why it was not answered the last time.
        rounds: How many rounds go on without it at most, whatever the time: a simulated market's
            may stand still.
    """

    label: str
    start: datetime
    end: datetime
    again_at: datetime
    failures: int = 0
    reason: str = ""
    rounds: int = 0


@dataclass(slots=True)
class Progress:
    """How far a feed got.

    Attributes:
        reached: All that is older has been asked for, but for what is held; None at the very start.
        marks: What is remembered of each request's last answer, for the requests of one round.
        began_at: Market time at which the last round that was asked to its end began.
        round: The round that is under way, or was when it was broken off.
        held: The questions that are not answered, by name.
        set_aside: The questions to which something else than an answer came last and has landed.
        asked: How many questions the last round had.
    """

    reached: datetime | None = None
    marks: dict[str, Marks] = field(default_factory=dict)
    began_at: datetime | None = None
    round: Round | None = None
    held: dict[str, Held] = field(default_factory=dict)
    set_aside: set[str] = field(default_factory=set)
    asked: int = 0

    @staticmethod
    def from_cursor(cursor: str | None) -> "Progress":
        """Take up the progress that was landed last."""
        return Progress() if cursor is None else _KEPT.validate_json(cursor)

    def cursor(self) -> str:
        """Return the cursor to land."""
        return _KEPT.dump_json(self).decode()

    def is_held(self, name: str, now: datetime) -> bool:
        """Say whether a question is not to be asked yet."""
        held = self.held.get(name)
        return held is not None and held.rounds > 0 and now < held.again_at

    def count_round(self) -> None:
        """Note that a round begins, which brings what is held nearer to its turn."""
        for held in self.held.values():
            held.rounds = max(0, held.rounds - 1)

    def hold(self, name: str, fresh: Held) -> None:
        """Keep a question apart; one that is kept already still has its earlier start."""
        before = self.held.get(name)
        if before is not None:
            fresh.start = min(before.start, fresh.start)
            fresh.failures += before.failures
        self.held[name] = fresh


_KEPT: Final = TypeAdapter(Progress)


def slower(every: timedelta, failures: int) -> timedelta:
    """Return how long a question that failed so often is left alone: two rounds, then more.

    >>> [slower(timedelta(minutes=5), failures) // timedelta(minutes=1) for failures in (1, 2, 9)]
    [10, 20, 60]
    >>> slower(timedelta(hours=1), 5) // timedelta(hours=1)
    2
    """
    bound = max(_SLOWEST, 2 * every)
    return min(bound, every * (1 << min(failures, bound // every)))
