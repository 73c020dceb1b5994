"""The moment by which a row had to be known to count: the three forms of `as_of`.

A back-test may use only what its decision could have used. The moment of the decision is either one
instant for all rows, or it depends on the delivery of each row: an hour before the delivery, or the
gate closure of its day-ahead auction. Each form becomes one polars expression over the event time.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.errors import UsageError
from energy_platform.market.instants import INSTANT, utc

AsOf = datetime | timedelta | str
"""An instant, a lead time before each delivery, or (as text) a moment of a day before it."""

_EXAMPLES: Final = (
    "as_of takes an instant (datetime(2026, 3, 1, 11, tzinfo=UTC)), a lead time before each "
    'delivery (timedelta(hours=1)), or a daily moment before it ("D-1 12:00 Europe/Berlin")'
)
_DAILY_MOMENT: Final = re.compile(r"D-(\d{1,3}) (\d{2}):(\d{2}) (\S+)")
_DAY: Final = timedelta(days=1)


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
    long after midnight as it would be without the clock change. `later` is how long after the event
    the delivery begins whose day counts, of a value that is used for a later delivery.
    """

    days_before: int
    time_of_day: time
    zone: str
    later: timedelta = timedelta()

    def known_by(self, event_time: pl.Expr) -> pl.Expr:
        """Return the moment that belongs to the day of the event time."""
        event_time += self.later
        day = event_time.dt.convert_time_zone(self.zone).dt.date()
        wall_clock = (day - self.days_before * _DAY).dt.combine(self.time_of_day, "us")
        return pl.coalesce(self._instant(wall_clock), self._instant(wall_clock - _DAY) + _DAY)

    def _instant(self, wall_clock: pl.Expr) -> pl.Expr:
        local = wall_clock.dt.replace_time_zone(
            self.zone, ambiguous="earliest", non_existent="null"
        )
        return local.dt.convert_time_zone("UTC")


KnowledgeTime = KnownAt | LeadTime | DailyMoment


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


def knowledge_time(as_of: AsOf) -> KnowledgeTime:
    """Return the moment that `as_of` describes.

    Args:
        as_of: An instant with its time zone; a lead time before each delivery; or "D-<days> <hh:mm>
            <time zone>", a moment of a day before each delivery day.

    Raises:
        UsageError: `as_of` has none of these forms; the message has an example of each.

    The day-ahead gate of a delivery that begins at midnight in Berlin, on the day after the clocks
    were changed:

    >>> from datetime import UTC, datetime
    >>> midnight = pl.lit(datetime(2026, 3, 29, 22, tzinfo=UTC))
    >>> gate = knowledge_time("D-1 12:00 Europe/Berlin")
    >>> print(pl.select(gate.known_by(midnight)).item())
    2026-03-29 10:00:00+00:00
    """
    match as_of:
        case datetime() if as_of.tzinfo is not None:
            return KnownAt(as_of)
        case datetime():
            raise UsageError("as_of needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
        case timedelta():
            return LeadTime(as_of)
        case str() if parts := _DAILY_MOMENT.fullmatch(as_of):
            days, hour, minute, zone = parts.groups()
            try:
                moment = DailyMoment(int(days), time(int(hour), int(minute)), zone)
                pl.select(moment.known_by(pl.lit(datetime.now(UTC))))
            except (ValueError, PolarsError):
                raise UsageError(f"there is no such moment: {as_of!r}; {_EXAMPLES}") from None
            return moment
        case _:
            raise UsageError(f"{_EXAMPLES}, not {as_of!r}")
