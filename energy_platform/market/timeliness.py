"""Whether a market source is late: pure functions of what is known and the time.

A source's module says what is expected of it: `expected_lag`, and a `DailyPublication` if values
appear at a known time. The status page, the freshness policies and the alerts all use these
functions.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from energy_platform.market.publication import DailyPublication

_ONE_DAY: Final = timedelta(days=1)
_WEEK_DAYS: Final = 7


class Timed(Protocol):
    """What is known of when a source's values are due."""

    @property
    def expected_lag(self) -> timedelta:
        """How old the newest data may be."""

    @property
    def publication(self) -> DailyPublication | None:
        """When values are due, if not all day long."""

    @property
    def has_runs(self) -> bool:
        """Whether its rows are forecasts of runs."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Values of a source that are overdue.

    Attributes:
        since: Since when the source has been late (UTC).
        missing: The missing values, e.g. "values of 2026-03-02".
    """

    since: datetime
    missing: str


def newest_moment(
    source: Timed, event_at: datetime | None, received_at: datetime | None
) -> datetime | None:
    """Return the newest moment that a source's rows cover; None if there are no rows.

    This is the newest row's event time. For forecasts and other rows about the future, it is the
    time of receipt.

    Args:
        source: The market source.
        event_at: Its newest row's event time.
        received_at: When its newest row was received.
    """
    if source.has_runs:
        return received_at
    return min((at for at in (event_at, received_at) if at is not None), default=None)


def lateness(
    source: Timed,
    event_at: datetime | None,
    received_at: datetime | None,
    now: datetime,
) -> Lateness | None:
    """Return since when a source is late and what is missing; None while it is on time.

    A source that never brought anything is not late, since there is no time from which to count.

    Args:
        source: The market source.
        event_at: Its newest row's event time.
        received_at: When its newest row was received, by the same clock as `now`.
        now: Market time.
    """
    due = _due(source, event_at, received_at)
    return due if due is not None and due.since < now else None


def next_expected(
    source: Timed, event_at: datetime | None, received_at: datetime | None
) -> datetime | None:
    """Return when newer values are expected; None for a source that never brought anything.

    This is the time of a publication, or the latest moment at which the source is on time.

    Args:
        source: The market source.
        event_at: Its newest row's event time.
        received_at: When its newest row was received, on the market's clock.
    """
    due = _due(source, event_at, received_at)
    if due is None:
        return None
    return due.since if source.publication is None else due.since - source.expected_lag


def _due(source: Timed, event_at: datetime | None, received_at: datetime | None) -> Lateness | None:
    """Return which values are missing next, and from when on the source is late without them."""
    if source.publication is None:
        newest = newest_moment(source, event_at, received_at)
        if newest is None:
            return None
        since, missing = (
            newest + source.expected_lag,
            f"values after {newest:%Y-%m-%d %H:%M:%S} UTC",
        )
    else:
        of_runs = source.has_runs
        newest = received_at if of_runs else event_at
        if newest is None:
            return None
        # A forecast covers many days, so the day of its receipt counts.
        ahead = 0 if of_runs else source.publication.days_ahead
        published_on = next_publication(source.publication, newest, days_ahead=ahead)
        since = deadline(source, source.publication, published_on)
        day = published_on + ahead * _ONE_DAY
        missing = f"the forecast of {day}" if of_runs else f"values of {day}"
    return Lateness(since, missing)


def longest_silence(source: Timed) -> timedelta:
    """Return how long a source that is on time may bring nothing."""
    if source.publication is None:
        return source.expected_lag
    days = sorted(source.publication.weekdays)
    gaps = [
        (following - day) % _WEEK_DAYS or _WEEK_DAYS
        for day, following in zip(days, [*days[1:], days[0]], strict=True)
    ]
    return max(gaps) * _ONE_DAY + source.expected_lag


def next_publication(publication: DailyPublication, newest: datetime, *, days_ahead: int) -> date:
    """Return the day of the first publication whose values are missing.

    Args:
        publication: When the source publishes.
        newest: The newest value that is there; its local day counts as complete.
        days_ahead: Which day is published, counted from the day of publication.
    """
    first_missing = newest.astimezone(ZoneInfo(publication.zone)).date() + _ONE_DAY
    day = first_missing - days_ahead * _ONE_DAY
    while day.weekday() not in publication.weekdays:
        day += _ONE_DAY
    return day


def deadline(source: Timed, publication: DailyPublication, day: date) -> datetime:
    """Return the instant (UTC) from which a day's publication is late."""
    out = datetime.combine(day, publication.at, ZoneInfo(publication.zone))
    # Adding to an aware datetime moves the local clock's reading, so the sum is made in UTC.
    return out.astimezone(UTC) + source.expected_lag
