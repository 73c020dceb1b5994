"""When a market publishes, and from when on a row could be known by its provider.

A source's module declares both. `timeliness` decides whether a source is late, and
`history.provider_clock` from when on each row could be known.
"""

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyPublication:
    """Values of whole local days that appear once a day, at a known time.

    `DailyPublication(at=time(12, 57), zone="Europe/Berlin", days_ahead=1)` is a day-ahead auction:
    tomorrow's values are expected from 12:57 on, and at 11:00 it is not late to have only today's.

    Attributes:
        at: Local time by which the values are usually published.
        zone: The time zone of `at`, and of the day that is published.
        days_ahead: Which day is complete then: 1 tomorrow, 0 today, -1 yesterday.
        weekdays: The days on which there is a publication, Monday 0 to Sunday 6.
    """

    at: time
    zone: str
    days_ahead: int = 1
    weekdays: frozenset[int] = frozenset(range(7))

    def __post_init__(self) -> None:
        """Refuse a publication without weekdays."""
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError(f"no publication is on weekdays {sorted(self.weekdays)}")


class Basis(StrEnum):
    """On what it rests that a row could be known from some moment on."""

    RECEIVED = "received"
    """This platform had received it."""
    STATED = "stated"
    """The provider says in the row when it published it."""
    RUN_DELAY = "run_delay"
    """The reference time of the row's run, and how long the provider takes for a run."""
    PUBLICATION = "publication"
    """The provider publishes at a known time of day."""
    EXPECTED_LAG = "expected_lag"
    """The row's event time, and how old the source's newest data usually are at most."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A column says when the provider published the row."""

    stated_in: str


@dataclass(frozen=True, slots=True)
class AfterRun:
    """A run of a forecast is published as a whole by this long after its reference time."""

    run_delay: timedelta


@dataclass(frozen=True, slots=True)
class AfterEvent:
    """A row is published by this long after its event time."""

    lag: timedelta


@dataclass(frozen=True, slots=True)
class Where:
    """A rule for rows that have a value in a column, such as one of several products."""

    column: str
    value: str
    rule: AfterRun | AfterEvent | DailyPublication


Knowable = Stated | AfterRun | AfterEvent | DailyPublication | Where
"""From when on a row could be known by its provider. Of several rules the first that has an answer
counts. A rule other than `Stated` speaks of the first revision of a row alone."""


def basis_of(rule: Knowable) -> Basis:
    """Return on what a rule rests."""
    match rule:
        case Stated():
            return Basis.STATED
        case AfterRun():
            return Basis.RUN_DELAY
        case AfterEvent():
            return Basis.EXPECTED_LAG
        case DailyPublication():
            return Basis.PUBLICATION
        case Where():
            return basis_of(rule.rule)
