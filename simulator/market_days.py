"""Market days of the simulated exchanges: local dates, and the UTC instants that bound them.

It uses the standard library alone, so that it checks the platform's own arithmetic.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the UTC instant at which a local day starts."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def period_starts(day: date, zone: ZoneInfo, resolution: timedelta) -> list[datetime]:
    """Return the starts of a local day's delivery periods, in order."""
    start, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    return [start + number * resolution for number in range((end - start) // resolution)]


def eve(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a local time on the day before `day`."""
    return datetime.combine(day - timedelta(days=1), at, zone).astimezone(UTC)
