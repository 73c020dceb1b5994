"""Numbered periods and peak hours against Python's own clocks, on days of 23 and of 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import energy_platform as ep
from energy_platform.errors import UsageError
from energy_platform.market.calendar import GAS_DAY, calendar
from energy_platform.market.load_profiles import PEAK_HOURS
from energy_platform.market.wall_clock import in_zone

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CHANGES = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 24), date(2026, 10, 25)]
days = st.one_of(st.sampled_from(CHANGES), st.dates(date(2020, 1, 1), date(2030, 1, 1)))
zones = st.sampled_from(["Europe/Berlin", "Europe/London", "Europe/Helsinki", GAS_DAY, "UTC"])
units = st.sampled_from([QUARTER / 3, QUARTER, 2 * QUARTER, HOUR])


def rows(start: datetime, end: datetime, unit: timedelta) -> pl.DataFrame:
    starts = [start + n * unit for n in range((end - start) // unit)]
    return pl.DataFrame({"delivery_start": starts, "delivery_end": [at + unit for at in starts]})


@given(
    day=days, zone=zones, unit=units, shown=st.sampled_from([None, "Europe/Berlin", "Asia/Tokyo"])
)
def test_a_day_s_periods_are_numbered_from_one(
    day: date, zone: str, unit: timedelta, shown: str | None
) -> None:
    start, end = calendar(zone).start(day), calendar(zone).start(day + DAY)
    count = (end - start) // unit
    frame = in_zone(rows(start - unit, end + unit, unit), shown)
    for numbered in (
        ep.periods(frame, zone),
        ep.periods(frame.drop("delivery_end"), zone, every=unit),
        ep.periods(frame.lazy(), zone).collect(),
    ):
        assert numbered["period"].to_list()[1:] == [*range(1, count + 1), 1]
        assert numbered["local_date"].to_list() == [day - DAY, *[day] * count, day + DAY]


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 92), ("2026-05-01", 96), ("2026-10-25", 100)]
)
def test_quarters_and_hours_share_a_frame(day: str, quarters: int) -> None:
    start = calendar("Europe/Berlin").start(date.fromisoformat(day))
    end = start + quarters * QUARTER
    both = pl.concat([rows(start, end, QUARTER), rows(start, end, HOUR)])
    numbers = ep.periods(both, ZoneInfo("Europe/Berlin"))["period"].to_list()
    assert numbers == [*range(1, quarters + 1), *range(1, quarters // 4 + 1)]


@pytest.mark.parametrize("day", CHANGES)
def test_blocks_follow_the_clocks(day: date) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begins = [datetime.combine(day, time(hour), berlin).astimezone(UTC) for hour in range(0, 24, 4)]
    ends = [*begins[1:], calendar("Europe/Berlin").start(day + DAY)]
    blocks = pl.DataFrame({"delivery_start": begins, "delivery_end": ends})
    assert ep.periods(blocks, "Europe/Berlin")["period"].to_list() == [1, 2, 3, 4, 5, 6]
    whole = pl.DataFrame({"delivery_start": [begins[0]], "delivery_end": [ends[-1]]})
    assert ep.periods(whole, "Europe/Berlin")["period"].to_list() == [1]


@pytest.mark.parametrize(
    ("columns", "asked"),
    [
        ({"delivery_start": [datetime(2026, 3, 1)]}, {}),  # noqa: DTZ001 (what must be refused)
        ({"observed_at": [datetime(2026, 3, 1, tzinfo=UTC)]}, {}),
        ({"observed_at": [datetime(2026, 3, 1, tzinfo=UTC)]}, {"at": "valid_at"}),
        ({"observed_at": [datetime(2026, 3, 1, tzinfo=UTC)]}, {"every": timedelta()}),
        ({"price": [1.0]}, {}),
    ],
)
def test_what_has_no_period_is_refused(columns: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ep.periods(pl.DataFrame(columns), "Europe/Berlin", **asked)


@given(day=days, market=st.sampled_from([*PEAK_HOURS]))
def test_peak_and_off_peak_are_the_market_s_hours(day: date, market: str) -> None:
    hours = PEAK_HOURS[market]
    start = calendar(hours.zone).start(day)
    hourly = rows(start, calendar(hours.zone).start(day + DAY), HOUR)
    local = [at.astimezone(ZoneInfo(hours.zone)) for at in hourly["delivery_start"]]
    working = [at for at in local if at.weekday() < 5 and hours.begins <= at.time() < hours.ends]
    for shown in (hourly, in_zone(hourly, "Asia/Tokyo")):
        got = ep.peak(shown, market, holidays_are_peak=True)
        assert got["delivery_start"].dt.convert_time_zone("UTC").to_list() == [
            at.astimezone(UTC) for at in working
        ]
        rest = ep.off_peak(shown, market, holidays_are_peak=True)
        assert got.height + rest.height == ep.base(shown, market).height


def test_whether_a_public_holiday_is_peak_is_the_market_s_rule() -> None:
    """The first of May 2026 is a Friday, and a holiday in Germany and in Poland."""
    for market, expected in [("DE-LU", 12), ("PL", 0)]:
        start = calendar(PEAK_HOURS[market].zone).start(date(2026, 5, 1))
        friday = rows(start, start + DAY, HOUR)
        assert ep.peak(friday, market).height == expected
        assert ep.off_peak(friday, market).height == 24 - expected
        assert ep.peak(friday, market, holidays_are_peak=False).is_empty()
    start = calendar("Europe/Warsaw").start(date(2026, 5, 4))
    monday = rows(start, start + DAY, HOUR)
    assert ep.peak(monday, "PL").height == 15


def test_a_period_that_is_partly_peak_is_in_neither() -> None:
    berlin = calendar("Europe/Berlin")
    friday, saturday, monday = (berlin.start(date(2026, 5, day)) for day in (8, 9, 11))
    whole = pl.DataFrame(
        {
            "delivery_start": [friday, friday + 7 * HOUR, saturday, friday + 22 * HOUR, friday],
            "delivery_end": [saturday, friday + 9 * HOUR, monday, saturday + 3 * HOUR, monday],
        }
    )
    assert ep.peak(whole, "DE-LU").is_empty()
    assert ep.off_peak(whole, "DE-LU")["delivery_start"].to_list() == [
        saturday,
        friday + 22 * HOUR,
    ]
    with pytest.raises(UsageError, match="the peak hours of 'XX' aren't known"):
        ep.base(whole, "XX")
