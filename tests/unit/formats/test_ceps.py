"""The windows that are asked for from ČEPS."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.formats.ceps import window

PRAGUE = ZoneInfo("Europe/Prague")
instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis takes bounds without a zone)


@given(instants, st.timedeltas(timedelta(), timedelta(days=8)))
def test_a_window_is_covered_by_local_times_that_come_exactly_once(
    start: datetime, length: timedelta
) -> None:
    asked = window(start, start + length)
    first, last = (
        datetime.fromisoformat(asked[name]).replace(tzinfo=PRAGUE)
        for name in ("dateFrom", "dateTo")
    )
    for local in (first, last):
        assert local.astimezone(UTC).astimezone(PRAGUE) == local, "the hour exists"
        assert local.utcoffset() == local.replace(fold=1).utcoffset(), "and comes once"
    assert first <= start <= start + length <= last
    assert first > start - timedelta(hours=4)
    assert last < start + length + timedelta(hours=4)


@pytest.mark.parametrize("minute", [0, 59])
def test_the_question_stays_the_same_for_hours(minute: int) -> None:
    now = datetime(2026, 7, 1, 8, minute, tzinfo=UTC)
    assert window(now, now) == {
        "dateFrom": "2026-07-01T09:00:00",
        "dateTo": "2026-07-01T12:00:00",
    }
