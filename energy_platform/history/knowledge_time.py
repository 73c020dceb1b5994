"""The moment by which a row had to be known to count: the three forms of `as_of`.

A back-test may use only what its decision could have used. The moment of the decision is either one
instant for all rows, or it depends on the delivery of each row: an hour before the delivery, or the
gate closure of its day-ahead auction. Each form becomes one polars expression over the event time.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.buckets import span
from energy_platform.market.calendar import calendar
from energy_platform.market.instants import INSTANT, utc
from energy_platform.market.wall_clock import Fold, When, Zone, instant, zone_name

AsOf = When | timedelta
"""An instant, a lead time before each delivery, or (as text) a moment of a day before it."""

_EXAMPLES: Final = (
    "as_of takes an instant (datetime(2026, 3, 1, 11, tzinfo=UTC)), a lead time before each "
    'delivery (timedelta(hours=1)), or a daily moment before it ("D-1 12:00 Europe/Berlin")'
)
_DAILY_MOMENT: Final = re.compile(r"D-(\d{1,3}) (\d{2}):(\d{2})(?: (\S+))?")
_NO_INSTANT: Final = re.compile(r"\D|$")
"""The beginning of text that is no instant."""
_DAY: Final = timedelta(days=1)
EVERY_DAY: Final = frozenset(range(7))
"""Monday 0 to Sunday 6."""


@dataclass(frozen=True, slots=True)
class KnownAt:
    """What was known at one instant."""

    instant: datetime

    def __post_init__(self) -> None:
        """Take the instant in UTC, as the stores keep theirs."""
        object.__setattr__(self, "instant", utc(self.instant))

    def known_by(self, event_time: pl.Expr) -> pl.Expr:
        """Return the instant, whatever the event time."""
        del event_time
        return pl.lit(self.instant, dtype=INSTANT)


@dataclass(frozen=True, slots=True)
class LeadTime:
    """What was known a given time before each event time; a negative time lies after it."""

    ahead: timedelta

    def known_by(self, event_time: pl.Expr) -> pl.Expr:
        """Return the event time less the lead time."""
        return event_time - self.ahead


@dataclass(frozen=True, slots=True)
class DailyMoment:
    """What was known at a time of day, some days before the day of each event time.

    Day and time of day are local to `zone`: noon is noon on days of 23 and of 25 hours too. If a
    clock shows the time twice, the first one counts. If a clock skips the time, the moment is as
    long after midnight as it would be without the clock change.

    Attributes:
        days_before: How many days before the event's day.
        time_of_day: What the clocks show.
        zone: Whose clocks and days are meant. The days of `Europe/Gas_Day` begin at six o'clock.
        weekdays: On which days there is such a moment, Monday 0 to Sunday 6; on another day, the
            next such day's moment counts.
        later: How long after the event the delivery begins whose day counts, of a value that is
            used for a later delivery.
    """

    days_before: int
    time_of_day: time
    zone: str
    weekdays: frozenset[int] = EVERY_DAY
    later: timedelta = timedelta()

    def known_by(self, event_time: pl.Expr) -> pl.Expr:
        """Return the moment that belongs to the day of the event time."""
        days = calendar(self.zone)
        day = days.date_of(event_time + self.later) - self.days_before * _DAY
        if self.weekdays != EVERY_DAY:
            day += day.dt.weekday().replace_strict(self.days_waited, return_dtype=pl.Duration("us"))
        return replace(days, begins=self.since_midnight).start_of(day)

    @property
    def since_midnight(self) -> timedelta:
        """The time of day, as what the clocks show more than at midnight."""
        at = self.time_of_day
        return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)

    @property
    def days_waited(self) -> dict[int, timedelta]:
        """How long after each weekday, Monday 1 to Sunday 7, the next moment's day is."""
        return {
            day + 1: next(n for n in range(7) if (day + n) % 7 in self.weekdays) * _DAY
            for day in range(7)
        }


@dataclass(frozen=True, slots=True)
class EachVintage:
    """What was known at several moments, of which each row belongs to one.

    Attributes:
        moments: The moments.
        column: The column with the number of a row's moment, from 0 on.
    """

    moments: "tuple[KnowledgeTime, ...]"
    column: str

    def known_by(self, event_time: pl.Expr) -> pl.Expr:
        """Return the moment that a row belongs to."""
        return pl.coalesce(
            pl.when(pl.col(self.column) == number).then(moment.known_by(event_time))
            for number, moment in enumerate(self.moments)
        )


KnowledgeTime = KnownAt | LeadTime | DailyMoment | EachVintage


def for_later(moment: KnowledgeTime, lag: timedelta) -> KnowledgeTime:
    """Return by when a value had to be known that is used for a delivery after its own event.

    Yesterday's load counts for today's delivery if it was known at today's gate, not at its own.

    Args:
        moment: By when values of the delivery itself have to be known.
        lag: How long after the event the delivery is.
    """
    match moment:
        case KnownAt():
            return moment
        case LeadTime(ahead):
            return LeadTime(ahead - lag)
        case DailyMoment():
            return replace(moment, later=moment.later + lag)
        case EachVintage(moments, column):
            return EachVintage(tuple(for_later(each, lag) for each in moments), column)


def knowledge_time(
    as_of: AsOf, *, zone: Zone | None = None, fold: Fold | None = None, look_ahead: bool = False
) -> KnowledgeTime:
    """Return the moment that `as_of` describes.

    Args:
        as_of: An instant; a lead time before each delivery; or "D-<days> <hh:mm> <time zone>", a
            moment of a day before each delivery day.
        zone: Whose clocks are meant where `as_of` names no time zone.
        fold: Which one is meant of two times that the clocks show alike.
        look_ahead: Whether the moment may lie after the beginning of the delivery.

    Raises:
        UsageError: `as_of` has none of these forms, and the message has an example of each; or it
            looks ahead.

    The day-ahead gate of a delivery that begins at midnight in Berlin, on the day after the clocks
    were changed:

    >>> from datetime import UTC, datetime
    >>> midnight = pl.lit(datetime(2026, 3, 29, 22, tzinfo=UTC))
    >>> gate = knowledge_time("D-1 12:00 Europe/Berlin")
    >>> print(pl.select(gate.known_by(midnight)).item())
    2026-03-29 10:00:00+00:00
    """
    match as_of:
        case timedelta():
            if as_of < timedelta() and not look_ahead:
                raise UsageError(_looks_ahead(as_of, "a negative lead time"))
            return LeadTime(span(as_of, "a lead time"))
        case str() if parts := _DAILY_MOMENT.fullmatch(as_of):
            moment = _daily_moment(as_of, parts, zone)
            if not moment.days_before and not look_ahead:
                raise UsageError(_looks_ahead(as_of, "a moment of the delivery day itself"))
            return moment
        case str() if _NO_INSTANT.match(as_of):
            raise UsageError(f"{_EXAMPLES}, not {as_of!r}")
        case date() | str():
            return KnownAt(instant(as_of, zone=zone, fold=fold, name="as_of"))
        case _:
            raise UsageError(f"{_EXAMPLES}, not {as_of!r}")


def _daily_moment(as_of: str, parts: re.Match[str], zone: Zone | None) -> DailyMoment:
    days, hour, minute, said = parts.groups()
    if said is None and zone is None:
        raise UsageError(f"{as_of!r} needs a time zone; {_EXAMPLES}")
    try:
        name = said or zone_name(zone)
        moment = DailyMoment(int(days), time(int(hour), int(minute)), name)
        calendar(name)
    except (ValueError, UsageError):
        raise UsageError(f"there is no such moment: {as_of!r}; {_EXAMPLES}") from None
    return moment


def _looks_ahead(as_of: AsOf, what: str) -> str:
    return (
        f"{as_of!r} looks ahead: {what} may lie after the delivery has begun;"
        " look_ahead=True allows it"
    )
