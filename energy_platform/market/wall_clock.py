"""Times as traders write them, as UTC instants: wall clock of a zone, days, months, windows.

Every function of the library that takes times reads them here. `instants` reads the text of the
command line and the dashboard's addresses, which is UTC; `calendar` knows when a day begins.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.errors import UsageError
from energy_platform.market.calendar import Calendar, calendar, no_zone
from energy_platform.market.instants import INSTANT, utc

When = datetime | date | str
"""A time: with its offset or zone an instant, without it what the clocks of `zone=` show; or a day,
which means its beginning. Text is ISO 8601."""

Fold = Literal[0, 1]
"""Which of the two hours is meant that a clock shows twice: 0 is the first, 1 the second."""

Zone = str | tzinfo
"""A time zone by its name or as a `ZoneInfo`, or `Europe/Gas_Day`."""

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)

_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time: from `start` on, and before `end`; None where it is open."""

    start: datetime | None = None
    end: datetime | None = None


def instant(
    when: When, *, zone: Zone | None = None, fold: Fold | None = None, name: str = "the time"
) -> datetime:
    """Return the UTC instant that a time means.

    Args:
        when: An instant in any zone; a time without zone, by the clocks of `zone`; or a day, for
            its beginning.
        zone: Whose clocks and days are meant. A time with a zone of its own doesn't need it.
        fold: Which one is meant of two times that the clocks show alike: 0 the first, 1 the second.
        name: What the time is for, in messages.

    Raises:
        UsageError: It is no time; it has no zone and none is given; the clocks never show it; or
            they show it twice, and `fold` isn't given.

    >>> instant("2026-03-01 12:57", zone="Europe/Berlin").isoformat()
    '2026-03-01T11:57:00+00:00'
    >>> instant("2026-10-25 02:30", zone="Europe/Berlin", fold=1).isoformat()
    '2026-10-25T01:30:00+00:00'
    """
    if fold not in (None, 0, 1):
        raise UsageError(f"fold is 0 for the first hour or 1 for the second, not {fold!r}")
    read = _read(when, name)
    clocks = None if zone is None else calendar_of(zone)
    if isinstance(read, datetime):
        if read.tzinfo is None:
            if clocks is None:
                raise UsageError(_lacks_zone(name, when))
            return _shown(read, ZoneInfo(clocks.zone), fold, name)
        if fold is not None:
            read = read.replace(fold=fold)
        _require_shown(read, name)
        return utc(read)
    if clocks is None:
        raise UsageError(_lacks_zone(name, when))
    return clocks.start(read)


def window(  # noqa: PLR0913 (the bounds that every function takes)
    *,
    start: When | None = None,
    end: When | None = None,
    day: When | None = None,
    month: When | None = None,
    zone: Zone | None = None,
    fold: Fold | None = None,
) -> Window:
    """Return the stretch of time that a user asks for.

    Args:
        start: Its beginning, which belongs to it; a day means the day's beginning.
        end: Its end, which does not; a day means the day's beginning, so it is left out.
        day: A whole day of `zone` instead: a date, or its text.
        month: A whole month of `zone` instead: "2026-03", or any day of it.
        zone: Whose clocks and days are meant; `Europe/Gas_Day` has days from 06:00 to 06:00.
        fold: Which one is meant of two times that the clocks show alike.

    Raises:
        UsageError: A time can't be read (see `instant`), `day` or `month` stands beside another
            bound, or the end is before the start.

    >>> spring = window(day="2026-03-29", zone="Europe/Berlin")
    >>> (spring.end - spring.start) / timedelta(hours=1)
    23.0
    """
    if day is None and month is None:
        first = None if start is None else instant(start, zone=zone, fold=fold, name="start")
        last = None if end is None else instant(end, zone=zone, fold=fold, name="end")
        if first is not None and last is not None and last < first:
            raise UsageError(f"the end, {last:%Y-%m-%d %H:%M} UTC, is before the start")
        return Window(first, last)
    said = [
        name
        for name, value in {"start": start, "end": end, "day": day, "month": month}.items()
        if value is not None
    ]
    if len(said) > 1:
        raise UsageError(f"ask for {' or '.join(said)}, not for both")
    if zone is None:
        raise UsageError(_lacks_zone(said[0], day if day is not None else month))
    clocks = calendar_of(zone)
    if day is not None:
        of = _date(day, "day")
        return Window(clocks.start(of), clocks.start(_later(of, _DAY)))
    first_day = _first_of_month(month)
    return Window(
        clocks.start(first_day), clocks.start(_later(first_day, 31 * _DAY).replace(day=1))
    )


def calendar_of(zone: Zone) -> Calendar:
    """Return the calendar of a zone that a user names.

    Raises:
        UsageError: There is no such zone, or it has no name.
    """
    name = zone_name(zone)
    found = calendar(name)
    try:
        pl.Series([0], dtype=INSTANT).dt.convert_time_zone(found.zone)
    except PolarsError:  # this machine knows the zone, and polars does not
        raise no_zone(name) from None
    return found


def zone_name(zone: object) -> str:
    """Return the name of a zone: of a `ZoneInfo` its key.

    Raises:
        UsageError: It has no name, as a fixed offset has none.
    """
    if isinstance(zone, str):
        return zone
    key = "UTC" if zone is UTC else getattr(zone, "key", None)
    if not isinstance(key, str):
        raise UsageError(f"name the zone, as in zone='Europe/Berlin', not {zone!r}")
    return key


def in_zone(frame: FrameT, zone: Zone | None) -> FrameT:
    """Return a frame whose instants are shown in a zone; in UTC, without one.

    The instants stay the same. Of `Europe/Gas_Day` the clocks are those of Berlin.
    """
    if zone is None:
        return frame
    name = calendar_of(zone).zone
    schema = frame.collect_schema()
    return frame.with_columns(
        pl.col(column).dt.convert_time_zone(name)
        for column, dtype in schema.items()
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    )


def _read(when: object, name: str) -> datetime | date:
    match when:
        case datetime() | date():
            return when
        case str():
            for read in (date.fromisoformat, datetime.fromisoformat):
                try:
                    return read(when.strip())
                except ValueError:
                    continue
    raise UsageError(
        f"{name} is a time such as '2026-03-01 12:00', a date or an instant, not {when!r}"
    )


def _date(when: When, name: str) -> date:
    read = _read(when, name)
    if isinstance(read, datetime):
        raise UsageError(f"{name} is a date such as '2026-03-01', not {when!r}")
    return read


def _first_of_month(month: When | None) -> date:
    if isinstance(month, str) and (found := _MONTH.fullmatch(month.strip())):
        year, number = map(int, found.groups())
        try:
            return date(year, number, 1)
        except ValueError:
            raise UsageError(f"there is no month {month!r}") from None
    if isinstance(month, date) and not isinstance(month, datetime):
        return month.replace(day=1)
    raise UsageError(f"month is written like '2026-03', not {month!r}")


def _later(day: date, span: timedelta) -> date:
    try:
        return day + span
    except OverflowError:
        raise UsageError(f"{day} is at the end of the calendar") from None


def _shown(local: datetime, zone: ZoneInfo, fold: Fold | None, name: str) -> datetime:
    """Return the instant at which a zone's clocks show a time."""
    candidates = [*_instants(local, zone)]
    if not candidates:
        raise UsageError(f"{name}: clocks in {zone.key} never show {local}, they are put forward")
    if len(candidates) == 1:
        return candidates[0]
    chosen = fold if fold is not None else local.fold or None
    if chosen is None:
        raise UsageError(
            f"{name}: clocks in {zone.key} show {local} twice;"
            " fold=0 is the first one, fold=1 the second"
        )
    return candidates[chosen]


def _require_shown(read: datetime, name: str) -> None:
    """Refuse a time with a zone whose clocks never show it, which Python would move silently."""
    if isinstance(read.tzinfo, ZoneInfo):
        local = read.replace(tzinfo=None)
        if not [*_instants(local, read.tzinfo)]:
            _shown(local, read.tzinfo, None, name)


def _instants(local: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants at which a zone's clocks show a time: none, one or two, in order."""
    seen = None
    for fold in (0, 1):
        try:
            at = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            shows = at.astimezone(zone).replace(tzinfo=None, fold=0)
        except OverflowError:
            raise UsageError(f"{local} is beyond the calendar") from None
        if shows == local.replace(fold=0) and at != seen:
            seen = at
            yield at


def _lacks_zone(name: str, when: object) -> str:
    return (
        f"{name} needs a time zone: give zone='Europe/Berlin' beside {when!s},"
        " or an instant such as datetime(2026, 3, 1, tzinfo=UTC)"
    )
