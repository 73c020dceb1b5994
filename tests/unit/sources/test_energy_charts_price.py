"""How long a delivery period is, when the reply does not say."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from energy_platform.market.raw_message import RawMessage
from energy_platform.sources.energy_charts_price import parse, requests

BERLIN = ZoneInfo("Europe/Berlin")
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)


def starts_of(day: date, resolution: timedelta) -> list[datetime]:
    midnights = (
        datetime(at.year, at.month, at.day, tzinfo=BERLIN).astimezone(UTC)
        for at in (day, day + timedelta(days=1))
    )
    start, end = midnights
    return [start + number * resolution for number in range((end - start) // resolution)]


def lengths(starts: list[datetime]) -> dict[datetime, timedelta | None]:
    reply = {
        "unix_seconds": [int(start.timestamp()) for start in starts],
        "price": [1.0] * len(starts),
        "unit": "EUR / MWh",
    }
    body = json.dumps(reply).encode()
    rows = parse([RawMessage(body=body, received_at=datetime.now(UTC), context={"bzn": "AT"})])
    return {
        row["delivery_start"]: row["delivery_end"] and row["delivery_end"] - row["delivery_start"]
        for row in rows.to_dicts()
    }


@given(
    st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    st.lists(st.sampled_from([QUARTER, HOUR]), min_size=1, max_size=4),
    st.data(),
)
def test_a_gap_never_stretches_a_period(
    first: date, resolutions: list[timedelta], data: st.DataObject
) -> None:
    truth = {
        start: resolution
        for number, resolution in enumerate(resolutions)
        for start in starts_of(first + timedelta(days=number), resolution)
    }
    missing = data.draw(st.sets(st.sampled_from(sorted(truth)), max_size=12))
    # Two neighbours a day are left, without which nobody could tell the day's resolution.
    kept = {
        start
        for number, resolution in enumerate(resolutions)
        for start in starts_of(first + timedelta(days=number), resolution)[:2]
    }
    shown = sorted(truth.keys() - missing | kept)
    assert lengths(shown) == {start: truth[start] for start in shown}


def test_a_day_of_one_row_takes_the_step_of_the_day_before() -> None:
    shown = [*starts_of(date(2025, 11, 3), HOUR), starts_of(date(2025, 11, 4), HOUR)[0]]
    assert set(lengths(shown).values()) == {HOUR}


def test_steps_that_no_market_has_tell_nothing() -> None:
    start = datetime(2025, 11, 3, tzinfo=UTC)
    assert set(lengths([start, start + 2 * HOUR, start + 4 * HOUR]).values()) == {None}


def test_one_request_per_zone_asks_for_the_local_days_of_the_window() -> None:
    summer_evening = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    asked = requests(summer_evening - timedelta(days=1), summer_evening)
    assert {request.params["start"] for request in asked} == {"2026-03-28"}
    assert {request.params["end"] for request in asked} == {"2026-03-30"}
    zones = [request.params["bzn"] for request in asked]
    assert len(zones) == len(set(zones)) > 1
