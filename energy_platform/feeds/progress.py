"""How far a polling feed got: the cursor that carries its progress over a restart.

Every question has its own progress. Answered questions share one instant that they have reached. A
question that is not answered while others are is kept apart (`Held`), with what it still has to ask
for. Cursors of older versions can be read; they hold no questions apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

Marks = Mapping[str, str]
"""What is remembered of the last answer to a request: its hash, and validators such as an ETag."""


_SLOWEST: Final = timedelta(hours=1)
"""A held question is asked again after at most this long, or after two rounds if that is longer."""


@dataclass(slots=True)
class Round:
    """One window that is asked for, request by request.

    Attributes:
        start: Where the window starts.
        end: Where it ends.
        began_at: Market time at which its first request was sent.
        answered: The requests that were answered, to the last page, each with the newest instant
            for which its answer has a value; None if that can't be told.
        failed: The requests that failed, each with its last error.
    """

    start: datetime
    end: datetime
    began_at: datetime
    answered: dict[str, datetime | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Held:
    """A question that is not answered, and is asked again at its own pace.

    Attributes:
        label: What it asks for, for people to read.
        start: Since when it has not been answered.
        end: The end of the window that it belongs to.
        again_at: Market time at which it may be asked again.
        failures: How many tries in a row have failed; 0 if it only waits for its turn.
        reason: Why the last try failed.
        rounds: How many rounds at most go on without it, whatever the time, since a simulated
            market's time may stand still.
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
        reached: Everything before this instant has been asked for, except held questions; None at
            the start.
        marks: What is remembered of each request's last answer, for the requests of one round.
        began_at: Market time at which the last completed round began.
        round: The round that is under way, or was interrupted.
        held: The questions that are not answered, by name.
        set_aside: The questions whose last answer was unfit and has landed.
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
        """Read the progress that was landed last."""
        return Progress() if cursor is None else _KEPT.validate_json(cursor)

    def cursor(self) -> str:
        """Return the cursor to land."""
        return _KEPT.dump_json(self).decode()

    def is_held(self, name: str, now: datetime) -> bool:
        """Return whether it is too early to ask a question again."""
        held = self.held.get(name)
        return held is not None and held.rounds > 0 and now < held.again_at

    def count_round(self) -> None:
        """Record that a round begins, which brings held questions nearer to their turn."""
        for held in self.held.values():
            held.rounds = max(0, held.rounds - 1)

    def hold(self, name: str, fresh: Held) -> None:
        """Keep a question apart; one that is kept already keeps its earlier start."""
        before = self.held.get(name)
        if before is not None:
            fresh.start = min(before.start, fresh.start)
            fresh.failures += before.failures
        self.held[name] = fresh


_KEPT: Final = TypeAdapter(Progress)


def slower(every: timedelta, failures: int) -> timedelta:
    """Return how long to wait before asking a failed question again: two rounds, then longer.

    >>> [slower(timedelta(minutes=5), failures) // timedelta(minutes=1) for failures in (1, 2, 9)]
    [10, 20, 60]
    >>> slower(timedelta(hours=1), 5) // timedelta(hours=1)
    2
    """
    bound = max(_SLOWEST, 2 * every)
    return min(bound, every * (1 << min(failures, bound // every)))
