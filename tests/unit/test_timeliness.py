"""Who is late: continuous markets by the age of the newest, others by what was due when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandera.polars as pa
import pytest

from energy_platform.market.publication import DailyPublication
from energy_platform.market.rows import ForecastRows
from energy_platform.market.timeliness import Lateness, lateness
from tests.support.sources import EXAMPLE

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
AUCTION = replace(
    EXAMPLE,
    expected_lag=HOUR,
    publication=DailyPublication(at=time(12, 57), zone="Europe/Berlin", days_ahead=1),
)


class Forecasts(ForecastRows):
    """A forecast of no market."""

    load_mw: float = pa.Field(description="Load")


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def last_hour_of(day: str) -> datetime:
    """The start of the last hour of a Berlin day, the newest that an hourly auction has."""
    return berlin(f"{day}T23:00")


@pytest.mark.parametrize(
    ("age", "late"),
    [(timedelta(minutes=5), False), (timedelta(minutes=5, seconds=1), True)],
)
def test_a_continuous_source_is_late_once_its_newest_is_too_old(
    age: timedelta, *, late: bool
) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    newest = now - age
    said = lateness(EXAMPLE, newest, now, now)
    assert (said is not None) is late
    if said is not None:
        assert said == Lateness(newest + EXAMPLE.expected_lag, f"values after {newest:%F %T} UTC")


def test_rows_about_the_future_are_as_new_as_their_receipt() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    tomorrow = now + timedelta(days=1)
    assert lateness(EXAMPLE, tomorrow, now - timedelta(minutes=4), now) is None
    assert lateness(EXAMPLE, tomorrow, now - timedelta(minutes=6), now) is not None


def test_what_never_spoke_is_not_late() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert lateness(EXAMPLE, None, None, now) is None
    assert lateness(AUCTION, None, None, now) is None


@pytest.mark.parametrize(
    ("newest_day", "now", "since", "missing"),
    [
        # The auction of 4 March is on 3 March at 12:57; an hour later it is late.
        ("2026-03-03", "2026-03-03T11:00", None, None),
        ("2026-03-03", "2026-03-03T13:57:00", None, None),
        ("2026-03-03", "2026-03-03T13:57:01", "2026-03-03T13:57", "values of 2026-03-04"),
        ("2026-03-04", "2026-03-03T13:57:01", None, None),
        ("2026-03-04", "2026-03-04T13:57:00", None, None),
        # Still missing at night and on the days after: late since the first that did not come.
        ("2026-03-03", "2026-03-04T00:30", "2026-03-03T13:57", "values of 2026-03-04"),
        ("2026-03-03", "2026-03-07T09:00", "2026-03-03T13:57", "values of 2026-03-04"),
        # The clocks change in the night before the publication, and in the day published.
        ("2026-03-29", "2026-03-29T13:56", None, None),
        ("2026-03-29", "2026-03-29T13:58", "2026-03-29T13:57", "values of 2026-03-30"),
        ("2026-03-28", "2026-03-28T13:58", "2026-03-28T13:57", "values of 2026-03-29"),
        ("2026-03-29", "2026-03-28T13:58", None, None),
        ("2026-10-24", "2026-10-24T13:58", "2026-10-24T13:57", "values of 2026-10-25"),
        ("2026-10-25", "2026-10-24T13:58", None, None),
        ("2026-10-25", "2026-10-25T13:58", "2026-10-25T13:57", "values of 2026-10-26"),
    ],
)
def test_an_auction_is_late_only_when_what_was_due_is_missing(
    newest_day: str, now: str, since: str | None, missing: str | None
) -> None:
    newest = last_hour_of(newest_day)
    # When it was received says nothing: yesterday's auction was received yesterday.
    said = lateness(AUCTION, newest, newest - timedelta(days=3), berlin(now))
    if since is None or missing is None:
        assert said is None
    else:
        assert said == Lateness(berlin(since), missing)


def test_one_value_of_a_day_is_enough() -> None:
    """Which series of a day are there is the quarantine's and the traders' question."""
    now = berlin("2026-03-03T15:00")
    assert lateness(AUCTION, berlin("2026-03-04T00:00"), now, now) is None
    assert lateness(AUCTION, berlin("2026-03-03T23:45"), now, now) is not None


@pytest.mark.parametrize(
    ("newest_day", "now", "late"),
    [
        # Friday's publication is Saturday's; the next one is Monday's, of Tuesday.
        ("2026-03-07", "2026-03-07T20:00", False),
        ("2026-03-07", "2026-03-08T20:00", False),
        ("2026-03-07", "2026-03-09T12:00", False),
        ("2026-03-07", "2026-03-09T14:00", True),
        ("2026-03-06", "2026-03-08T14:00", True),
    ],
)
def test_nothing_is_due_on_days_without_publication(
    newest_day: str, now: str, *, late: bool
) -> None:
    on_workdays = DailyPublication(
        at=time(12, 57), zone="Europe/Berlin", weekdays=frozenset(range(5))
    )
    source = replace(AUCTION, publication=on_workdays)
    newest = last_hour_of(newest_day)
    assert (lateness(source, newest, newest, berlin(now)) is not None) is late


def test_values_of_a_day_gone_by() -> None:
    """Gas in storage at the end of a gas day is out in the evening of the day after."""
    storage = replace(
        EXAMPLE,
        expected_lag=2 * HOUR,
        publication=DailyPublication(at=time(19, 30), zone="Europe/Brussels", days_ahead=-1),
    )
    gas_day = berlin("2026-03-02T06:00")
    assert lateness(storage, gas_day, gas_day, berlin("2026-03-04T21:30")) is None
    assert lateness(storage, gas_day, gas_day, berlin("2026-03-04T21:31")) == Lateness(
        berlin("2026-03-04T21:30"), "values of 2026-03-03"
    )


def test_a_daily_forecast_is_due_on_its_day_whatever_it_is_for() -> None:
    daily = replace(
        EXAMPLE,
        rows=Forecasts,
        event_time="valid_at",
        key=("valid_at",),
        expected_lag=HOUR,
        publication=DailyPublication(at=time(8), zone="Europe/Berlin", days_ahead=1),
    )
    next_week = berlin("2026-03-10T00:00")
    yesterday, today = berlin("2026-03-02T08:10"), berlin("2026-03-03T07:59")
    assert lateness(daily, next_week, yesterday, berlin("2026-03-03T08:59")) is None
    assert lateness(daily, next_week, yesterday, berlin("2026-03-03T09:01")) == Lateness(
        berlin("2026-03-03T09:00"), "the forecast of 2026-03-03"
    )
    assert lateness(daily, next_week, today, berlin("2026-03-03T09:01")) is None


def test_a_deadline_past_midnight() -> None:
    late_evening = replace(
        AUCTION,
        expected_lag=3 * HOUR,
        publication=DailyPublication(at=time(23), zone="Europe/Berlin", days_ahead=1),
    )
    newest = last_hour_of("2026-03-28")
    # The night in which the clock goes forward: three hours after 23:00 it shows 03:00.
    assert lateness(late_evening, newest, newest, berlin("2026-03-29T03:00")) is None
    said = lateness(late_evening, newest, newest, berlin("2026-03-29T03:01"))
    assert said == Lateness(berlin("2026-03-29T03:00"), "values of 2026-03-29")


@pytest.mark.parametrize("weekdays", [frozenset[int](), frozenset({7})])
def test_a_market_speaks_on_some_day(weekdays: frozenset[int]) -> None:
    with pytest.raises(ValueError, match="no publication is on weekdays"):
        DailyPublication(at=time(12), zone="Europe/Berlin", weekdays=weekdays)
