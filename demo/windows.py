"""Which days a demo has: the last ones, and those around both changes of the clocks."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MARKET_TIME: Final = ZoneInfo("Europe/Berlin")

_DAY: Final = timedelta(days=1)
_DAYS_OF_A_CHANGE: Final = 7
"""The days around a change of the clocks, at most."""
_MONTHS_OF_CHANGES: Final = (3, 10)
_SUNDAY: Final = 6


@dataclass(frozen=True, slots=True)
class Window:
    """Whole local days.

    Attributes:
        first: The first day.
        end: The day after the last one.
    """

    first: date
    end: date

    @property
    def days(self) -> list[date]:
        """Its days."""
        return [self.first + number * _DAY for number in range((self.end - self.first).days)]

    @property
    def start_at(self) -> datetime:
        """The instant at which it starts."""
        return local(self.first, time())

    @property
    def end_at(self) -> datetime:
        """The instant at which it ends."""
        return local(self.end, time())


def local(day: date, at: time, zone: ZoneInfo = MARKET_TIME) -> datetime:
    """Return the UTC instant of a local time."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def windows(days: int, end: date) -> list[Window]:
    """Return the days of a demo: `days` before `end`, and some around both changes of the clocks.

    Days that overlap are one window. The windows are in order.

    >>> [str(each.first) + ".." + str(each.end) for each in windows(90, date(2026, 11, 15))]
    ['2026-03-26..2026-04-02', '2026-08-17..2026-11-15']
    >>> [len(each.days) for each in windows(2, date(2026, 11, 15))]
    [2, 2, 2]
    """
    around = min(days, _DAYS_OF_A_CHANGE)
    wanted = [Window(end - days * _DAY, end)]
    for change in _changes_before(end):
        first = change - around // 2 * _DAY
        wanted.append(Window(first, min(first + around * _DAY, end)))
    joined: list[Window] = []
    for window in sorted(wanted, key=lambda each: each.first):
        if joined and window.first <= joined[-1].end:
            before = joined.pop()
            joined.append(Window(before.first, max(before.end, window.end)))
        else:
            joined.append(window)
    return joined


def _changes_before(end: date) -> list[date]:
    """Return the last Sunday in March and the last in October that lie before a day."""
    found = []
    for month in _MONTHS_OF_CHANGES:
        changes = [_last_sunday(year, month) for year in (end.year, end.year - 1)]
        found.append(next(day for day in changes if day < end))
    return found


def _last_sunday(year: int, month: int) -> date:
    """Return the last Sunday of a month of 31 days."""
    last = date(year, month, 31)
    return last - (last.weekday() - _SUNDAY) % 7 * _DAY
