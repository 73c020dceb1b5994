"""The days that a request to OTE asks for."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from energy_platform.formats.ote import MARKET_TIME, MOST_DAYS, market_days

instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis takes bounds without a zone)


@given(instants, st.timedeltas(timedelta(), timedelta(days=400)))
def test_every_local_day_of_a_window_is_asked_for_once_in_parts_that_are_answered(
    start: datetime, length: timedelta
) -> None:
    parts = market_days(start, start + length)
    days = [
        first + timedelta(days=number)
        for first, last in parts
        for number in range((last - first).days + 1)
    ]
    zone = ZoneInfo(MARKET_TIME)
    first, last = start.astimezone(zone).date(), (start + length).astimezone(zone).date()
    assert days == [first + timedelta(days=number) for number in range((last - first).days + 1)]
    assert all((last - first).days < MOST_DAYS for first, last in parts)


def test_the_day_is_the_markets_not_utcs() -> None:
    late = datetime(2025, 10, 25, 22, 30, tzinfo=UTC)
    assert market_days(late, late) == [(date(2025, 10, 26), date(2025, 10, 26))]
