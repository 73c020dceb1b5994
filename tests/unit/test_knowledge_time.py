"""The moment by which a row had to be known, against Python's own clocks."""

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import DailyMoment, KnownAt, LeadTime, knowledge_time
from energy_platform.market.instants import INSTANT

BERLIN = ZoneInfo("Europe/Berlin")
# Clocks change at 01:00 UTC, at local midnight, by half an hour, and never.
ZONES = ("Europe/Berlin", "Europe/London", "Africa/Cairo", "Australia/Lord_Howe", "UTC")


def known_by(as_of: Any, *event_times: datetime) -> list[datetime]:
    """Return the moments of some event times, as plain UTC instants."""
    frame = pl.DataFrame({"at": event_times}, schema={"at": INSTANT})
    moment = knowledge_time(as_of, look_ahead=True)
    moments = frame.select(moment.known_by(pl.col("at"))).to_series()
    assert moments.dtype == INSTANT
    return [moment.astimezone(UTC) for moment in moments]


@pytest.mark.parametrize(
    ("delivery", "gate"),
    [
        ("2026-03-28T22:45", "2026-03-27T11:00"),  # the last quarter-hour of a day in winter time
        ("2026-03-28T23:00", "2026-03-28T11:00"),  # the first of the day of 23 hours
        ("2026-03-29T21:45", "2026-03-28T11:00"),  # its last, in summer time
        ("2026-03-29T22:00", "2026-03-29T10:00"),  # noon of the day of 23 hours
        ("2026-10-24T22:00", "2026-10-24T10:00"),  # the first of the day of 25 hours
        ("2026-10-25T22:45", "2026-10-24T10:00"),  # its last
        ("2026-10-25T23:00", "2026-10-25T11:00"),
    ],
)
def test_the_day_ahead_gate_where_clocks_change(delivery: str, gate: str) -> None:
    at, expected = (datetime.fromisoformat(text + "+00:00") for text in (delivery, gate))
    assert known_by("D-1 12:00 Europe/Berlin", at) == [expected]


@pytest.mark.parametrize("quarters", [92, 96, 100])
def test_all_quarter_hours_of_a_delivery_day_have_one_gate(quarters: int) -> None:
    day = {92: datetime(2026, 3, 29), 96: datetime(2026, 5, 1), 100: datetime(2026, 10, 25)}  # noqa: DTZ001 (local days)
    first = day[quarters].replace(tzinfo=BERLIN).astimezone(UTC)
    deliveries = [first + n * timedelta(minutes=15) for n in range(-1, quarters + 1)]
    before, *of_the_day, after = known_by("D-1 12:00 Europe/Berlin", *deliveries)
    assert len(set(of_the_day)) == 1
    assert before < of_the_day[0] < after


@given(
    event=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (hypothesis adds the zone)
    days=st.integers(0, 3),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0)),
    zone=st.sampled_from(ZONES),
)
def test_a_daily_moment_is_that_of_the_local_clock(
    event: datetime, days: int, at: time, zone: str
) -> None:
    local = ZoneInfo(zone)
    day = event.astimezone(local).date() - timedelta(days=days)
    expected = datetime.combine(day, at, tzinfo=local).astimezone(UTC)
    assert known_by(f"D-{days} {at:%H:%M} {zone}", event) == [expected]


def test_a_time_shown_twice_is_the_first_and_a_skipped_one_has_a_place() -> None:
    assert known_by("D-0 02:30 Europe/Berlin", datetime(2026, 10, 25, 12, tzinfo=UTC)) == [
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    ]
    assert known_by("D-0 02:30 Europe/Berlin", datetime(2026, 3, 29, 12, tzinfo=UTC)) == [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    ]


def test_a_lead_time_is_before_each_event_and_an_instant_for_all() -> None:
    events = [datetime(2026, 3, 29, hour, tzinfo=UTC) for hour in (0, 1, 2)]
    ahead = timedelta(hours=1, microseconds=1)
    assert known_by(ahead, *events) == [event - ahead for event in events]
    assert known_by(-ahead, *events) == [event + ahead for event in events]
    told = datetime(2026, 3, 29, 3, tzinfo=timezone(timedelta(hours=2)))
    frame = pl.DataFrame({"at": events}).with_columns(
        by=knowledge_time(told).known_by(pl.col("at"))
    )
    assert frame["by"].to_list() == [told] * 3


def test_what_is_said_is_a_value() -> None:
    noon = datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert knowledge_time(noon) == KnownAt(noon)
    assert knowledge_time(timedelta(hours=1)) == LeadTime(timedelta(hours=1))
    assert knowledge_time("D-2 09:30 UTC") == DailyMoment(2, time(9, 30), "UTC")
    for zone in ("Europe/Berlin", BERLIN):
        assert knowledge_time("D-2 09:30", zone=zone) == DailyMoment(
            2, time(9, 30), "Europe/Berlin"
        )
        assert knowledge_time("2026-03-29 14:00", zone=zone) == KnownAt(noon)
    assert knowledge_time("2026-03-29T12:00Z") == KnownAt(noon)


@pytest.mark.parametrize("as_of", ["D-0 12:00 Europe/Berlin", "D-0 00:00 UTC", timedelta(hours=-1)])
def test_what_looks_ahead_is_refused_unless_it_is_wanted(as_of: Any) -> None:
    with pytest.raises(UsageError, match=r"looks ahead.*look_ahead=True"):
        knowledge_time(as_of)
    assert knowledge_time(as_of, look_ahead=True) is not None
    assert knowledge_time(timedelta()) == LeadTime(timedelta())


def test_the_gate_of_a_gas_day_is_on_the_day_before_it() -> None:
    last, first = (datetime(2026, 3, 29, hour, 30, tzinfo=UTC) for hour in (3, 4))
    assert known_by("D-1 13:00 Europe/Gas_Day", last, first) == [
        datetime(2026, 3, 27, 12, tzinfo=UTC),
        datetime(2026, 3, 28, 12, tzinfo=UTC),
    ]


def test_a_moment_of_some_weekdays_is_on_the_next_of_them() -> None:
    working = DailyMoment(1, time(12), "Europe/Berlin", frozenset(range(5)))
    friday = datetime(2026, 3, 27, 12, tzinfo=UTC)
    frame = pl.DataFrame({"at": [friday + n * timedelta(days=1) for n in range(5)]})
    got = frame.select(working.known_by(pl.col("at"))).to_series().to_list()
    assert [f"{at:%a %d %H}" for at in got] == [
        "Thu 26 11", "Fri 27 11", "Mon 30 10", "Mon 30 10", "Mon 30 10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "nonsense",
    [
        "", "D-1", "D-1 12:00", "D 12:00 Europe/Berlin", "D+1 12:00 Europe/Berlin",
        "D-1 24:00 Europe/Berlin", "D-1 12:60 Europe/Berlin", "D-1 9:00 Europe/Berlin",
        "D-1 12:00 Europe/Atlantis", "D-1 12:00 ../etc/passwd", "d-1 12:00 Europe/Berlin",
        "D-1 12:00 Europe/Berlin ", "D-1 12:00 Europe/Berlin\n", "yesterday",
        3600, 1.5, b"D-1 12:00 UTC",
    ],
)  # fmt: skip
def test_what_says_no_moment_is_refused_with_an_example(nonsense: Any) -> None:
    with pytest.raises(UsageError, match="D-1 12:00 Europe/Berlin"):
        knowledge_time(nonsense)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a time zone"):
        knowledge_time(datetime(2026, 3, 1))  # noqa: DTZ001 (this is what must be refused)
