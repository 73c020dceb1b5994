"""Times as traders write them, against Python's own clocks."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.errors import UsageError
from energy_platform.market.calendar import GAS_DAY, calendar
from energy_platform.market.instants import INSTANT, parse_instant, utc
from energy_platform.market.wall_clock import Window, in_zone, instant, window

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
# Clocks change at 01:00 UTC, at local midnight (forward and back), by half an hour, and never.
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Africa/Cairo",
    "America/Santiago",
    "Australia/Lord_Howe",
    "UTC",
    GAS_DAY,
)
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC),
    datetime(2026, 10, 29, 21, tzinfo=UTC),
    datetime(2026, 4, 5, 3, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
]
near_changes = st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-3_000, 3_000),
)
zones = st.sampled_from(ZONES)


def clocks(zone: str) -> ZoneInfo:
    return ZoneInfo("Europe/Berlin" if zone == GAS_DAY else zone)


@given(at=near_changes, zone=zones)
def test_what_the_clocks_show_at_an_instant_means_that_instant(at: datetime, zone: str) -> None:
    shown = at.astimezone(clocks(zone))
    naive = shown.replace(tzinfo=None)
    for said in (naive.replace(fold=0), naive.isoformat(), naive.isoformat(sep=" ")):
        assert instant(said, zone=zone, fold=1 if shown.fold else 0) == at
    for aware in (at, shown, at.astimezone(ZoneInfo("Asia/Tokyo")), at.isoformat()):
        read = instant(aware)
        assert (read, read.tzinfo) == (at, UTC)


@given(at=near_changes, zone=zones)
def test_a_day_and_a_month_are_those_of_the_clocks(at: datetime, zone: str) -> None:
    local = at.astimezone(clocks(zone)).replace(tzinfo=None)
    of = (local - (6 * HOUR if zone == GAS_DAY else timedelta())).date()
    if zone == GAS_DAY:
        first, following = (
            datetime(each.year, each.month, each.day, 6, tzinfo=BERLIN)
            for each in (of, of + timedelta(days=1))
        )
        expected = (first.astimezone(UTC), following.astimezone(UTC))
        assert window(day=of, zone=zone) == Window(*expected)
    for asked in ({"day": of}, {"day": of.isoformat()}, {"month": f"{of:%Y-%m}"}, {"month": of}):
        asked_for = window(**asked, zone=zone)
        assert asked_for.start is not None
        assert asked_for.end is not None
        assert asked_for.start <= at < asked_for.end
    assert window(start=of, end=of + timedelta(days=1), zone=zone) == window(day=of, zone=zone)


@given(at=near_changes, zone=zones)
def test_python_and_polars_agree_on_days(at: datetime, zone: str) -> None:
    days = calendar(zone)
    frame = pl.DataFrame({"at": [at]}, schema={"at": INSTANT}).with_columns(
        day=days.date_of(pl.col("at"))
    )
    [(day, start, following)] = frame.select(
        "day",
        start=days.start_of(pl.col("day")),
        end=days.start_of(pl.col("day") + pl.duration(days=1)),
    ).rows()
    assert start == days.start(day)
    assert following == days.start(day + timedelta(days=1))
    assert start <= at < following


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-05-01", 24), ("2026-10-25", 25)]
)
def test_days_are_23_24_and_25_hours(day: str, hours: int) -> None:
    of = window(day=day, zone="Europe/Berlin")
    assert of.start is not None
    assert of.end is not None
    assert of.end - of.start == hours * HOUR
    # Clocks change within the gas day that began the morning before.
    gas = window(day=date.fromisoformat(day) - timedelta(days=1), zone=GAS_DAY)
    assert gas.start is not None
    assert gas.end is not None
    assert gas.end - gas.start == hours * HOUR


def test_a_month_holds_its_changes_of_clocks() -> None:
    march = window(month="2026-03", zone="Europe/Berlin")
    assert march == Window(
        datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
    )
    assert window(month="2026-12", zone=GAS_DAY) == Window(
        datetime(2026, 12, 1, 5, tzinfo=UTC), datetime(2027, 1, 1, 5, tzinfo=UTC)
    )


def test_an_hour_shown_twice_wants_a_fold() -> None:
    twice = "2026-10-25 02:30"
    with pytest.raises(UsageError, match="twice; fold=0 is the first"):
        instant(twice, zone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for zone in ("Europe/Berlin", BERLIN, GAS_DAY):
        assert instant(twice, zone=zone, fold=0) == first
        assert instant(twice, zone=zone, fold=1) == first + HOUR
    said = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 (wall clock)
    assert instant(said.replace(fold=1), zone=BERLIN) == first + HOUR
    # A time with a zone of its own is an instant already.
    assert instant(said.replace(tzinfo=BERLIN)) == first
    assert instant(said.replace(tzinfo=BERLIN, fold=1)) == first + HOUR
    assert instant(said.replace(tzinfo=BERLIN), fold=1) == first + HOUR
    assert instant(f"{twice}+01:00", zone="Asia/Tokyo") == first + HOUR


@pytest.mark.parametrize("fold", [None, 0, 1])
@pytest.mark.parametrize(
    ("said", "zone"),
    [
        ("2026-03-29 02:30", "Europe/Berlin"),
        ("2026-03-29 02:00", GAS_DAY),
        ("2026-04-24 00:30", "Africa/Cairo"),
        (datetime(2026, 3, 29, 2, 59, 59), "Europe/Berlin"),  # noqa: DTZ001 (wall clock)
        (datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), None),
    ],
)
def test_an_hour_that_no_clock_shows_is_an_error(said: Any, zone: str | None, fold: Any) -> None:
    with pytest.raises(UsageError, match="never show"):
        instant(said, zone=zone, fold=fold)


@pytest.mark.parametrize(
    "asked",
    [
        {"start": datetime(2026, 3, 1)},  # noqa: DTZ001 (this is what must be refused)
        {"end": "2026-03-01 12:00"},
        {"start": "2026-03-01"},
        {"start": date(2026, 3, 1)},
        {"day": "2026-03-01"},
        {"month": "2026-03"},
    ],
)
def test_without_a_zone_wall_clock_is_refused(asked: dict[str, Any]) -> None:
    [name] = asked
    with pytest.raises(UsageError, match=f"^{name} needs a time zone: give zone="):
        window(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"start": "yesterday"},
        {"start": 3_600},
        {"start": "2026-02-30"},
        {"day": "2026-03"},
        {"day": "2026-03-01 12:00"},
        {"day": datetime(2026, 3, 1, tzinfo=UTC)},
        {"month": "2026-13"},
        {"month": "March"},
        {"month": "2026-03-01"},
        {"day": "2011-12-30", "zone": "Pacific/Apia"},
        {"day": "9999-12-31"},
        {"start": "0001-01-01"},
        {"start": datetime.max.replace(tzinfo=timezone(-HOUR))},
        {"start": "2026-03-01", "zone": "Europe/Atlantis"},
        {"start": "2026-03-01", "zone": "../etc/passwd"},
        {"start": "2026-03-01", "zone": ""},
        {"start": "2026-03-01", "zone": 1},
        {"start": "2026-03-01", "zone": timezone(HOUR)},
        {"start": "2026-03-01", "fold": 2},
        {"day": "2026-03-01", "month": "2026-03"},
        {"day": "2026-03-01", "start": "2026-03-01"},
        {"start": "2026-03-02", "end": "2026-03-01"},
    ],
)
def test_what_is_no_time_or_no_zone_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        window(**{"zone": "Europe/Berlin", **asked})


def test_an_empty_window_and_an_open_one_are_windows() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert window(start=noon, end=noon) == Window(noon, noon)
    assert window() == Window(None, None)
    assert utc(noon.astimezone(BERLIN)).tzinfo is UTC


@pytest.mark.parametrize("said", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00"])
def test_an_instant_that_no_calendar_has_is_refused(said: str) -> None:
    for read in (parse_instant, instant):
        with pytest.raises(UsageError, match="beyond the calendar"):
            read(said)


def test_output_in_a_zone_has_the_same_instants() -> None:
    at = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    frame = pl.DataFrame(
        {"at": [at], "day": [date(2026, 1, 1)]}, schema={"at": INSTANT, "day": pl.Date}
    )
    for zone in ("Europe/Berlin", BERLIN, GAS_DAY):
        shown = in_zone(frame, zone)
        assert shown.schema["at"] == pl.Datetime("us", "Europe/Berlin")
        assert in_zone(shown, UTC).equals(frame)
        assert in_zone(frame.lazy(), zone).collect().equals(shown)
    assert in_zone(frame, None).equals(frame)
