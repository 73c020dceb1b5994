"""Delivery periods against the standard library's own time zone arithmetic."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.market.delivery_periods import day_start, delivery_start, periods_of_day

ZONES = (
    "Europe/Prague",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Helsinki",
)
RESOLUTIONS = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1))

days = st.dates(date(2000, 1, 1), date(2040, 12, 31))
zones = st.sampled_from(ZONES)
resolutions = st.sampled_from(RESOLUTIONS)


def midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def starts_of_day(day: date, zone: str, resolution: timedelta, count: int) -> list[datetime | None]:
    frame = pl.DataFrame({"day": [day] * count, "index": range(1, count + 1)})
    start = delivery_start(pl.col("day"), pl.col("index"), pl.lit(resolution), zone)
    return frame.select(start=start)["start"].to_list()


def count_of_day(day: date, zone: str, resolution: timedelta) -> int:
    frame = pl.DataFrame({"day": [day]})
    return int(frame.select(periods_of_day(pl.col("day"), pl.lit(resolution), zone)).item())


@given(days, zones)
def test_a_day_starts_at_local_midnight(day: date, zone: str) -> None:
    start = pl.DataFrame({"day": [day]}).select(day_start(pl.col("day"), zone)).item()
    assert start == midnight(day, zone)


@given(days, zones, resolutions)
def test_periods_follow_each_other_and_fill_the_day(
    day: date, zone: str, resolution: timedelta
) -> None:
    end = midnight(day + timedelta(days=1), zone)
    count = count_of_day(day, zone, resolution)
    starts = starts_of_day(day, zone, resolution, count)
    assert starts == [midnight(day, zone) + number * resolution for number in range(count)]
    assert starts[-1] is not None
    assert starts[-1] + resolution == end


@given(days, zones, resolutions, st.integers(min_value=1, max_value=200))
def test_an_index_beyond_the_day_has_no_time(
    day: date, zone: str, resolution: timedelta, beyond: int
) -> None:
    count = count_of_day(day, zone, resolution)
    frame = pl.DataFrame({"day": [day] * 2, "index": [0, count + beyond]})
    start = delivery_start(pl.col("day"), pl.col("index"), pl.lit(resolution), zone)
    assert frame.select(start=start)["start"].to_list() == [None, None]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2025, 3, 30), 23), (date(2025, 6, 1), 24), (date(2025, 10, 26), 25)],
)
def test_the_days_on_which_clocks_change(zone: str, day: date, hours: int) -> None:
    assert count_of_day(day, zone, timedelta(hours=1)) == hours
    assert count_of_day(day, zone, timedelta(minutes=15)) == 4 * hours


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    starts = starts_of_day(date(2025, 10, 26), "Europe/Prague", timedelta(hours=1), 25)
    assert starts[2:4] == [
        datetime(2025, 10, 26, 0, tzinfo=UTC),
        datetime(2025, 10, 26, 1, tzinfo=UTC),
    ]


def test_hours_and_quarters_may_share_a_frame() -> None:
    frame = pl.DataFrame(
        {
            "day": [date(2025, 10, 26)] * 3,
            "index": [25, 100, 26],
            "resolution": [timedelta(hours=1), timedelta(minutes=15), timedelta(hours=1)],
        }
    )
    start = delivery_start(pl.col("day"), pl.col("index"), pl.col("resolution"), "Europe/Prague")
    assert frame.select(start=start)["start"].to_list() == [
        datetime(2025, 10, 26, 22, tzinfo=UTC),
        datetime(2025, 10, 26, 22, 45, tzinfo=UTC),
        None,
    ]
