"""Errors by lead: only what was known at each lead counts, whole hours only, nothing invented."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.market.registry import market_source
from tests.support.dashboard import Desk
from tests.support.environment import home_at

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
FIRST = NOW - 12 * HOUR


def load(source: str, values: dict[datetime, float], step: timedelta = HOUR) -> pl.DataFrame:
    dtypes = market_source(source).dtypes
    frame = pl.DataFrame(
        {
            "delivery_start": list(values),
            "delivery_end": [start + step for start in values],
            "bidding_zone": "DE-LU",
            "resolution": "PT60M" if step == HOUR else "PT15M",
            "load_mw": list(values.values()),
        }
    )
    return frame.cast({name: dtypes[name] for name in frame.columns})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with (
        pytest.MonkeyPatch.context() as patch,
        home_at(tmp_path_factory.mktemp("e"), patch) as home,
        closing(Desk(home)) as served,
    ):
        hours = [FIRST + number * HOUR for number in range(4)]
        name = "entsoe_load_forecast"
        early, late = (load(name, dict.fromkeys(hours, level)) for level in (900.0, 990.0))
        served.store(name, early, received_at=FIRST - 7 * HOUR)
        # Known two hours before the first delivery, five before the last.
        served.store(name, late, received_at=FIRST - 2 * HOUR)
        quarters = {FIRST + number * QUARTER: 1000.0 + 8 * (number % 4) for number in range(15)}
        served.store("entsoe_load", load("entsoe_load", quarters, QUARTER))
        yield served


def asked(desk: Desk, what: str = "load", **query: Any) -> list[dict[str, Any]]:
    answer = desk.get(f"/api/forecast-errors/{what}", bidding_zone="DE-LU", **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def test_errors_are_of_what_was_known_at_each_lead(desk: Desk) -> None:
    found = {row["lead_hours"]: row for row in asked(desk)}
    # The fourth hour lacks a quarter of its outcome: it is not compared.
    hours = {lead: row["hours"] for lead, row in found.items()}
    assert hours == {1: 3, 2: 3, 3: 3, 6: 3, 9: 1}
    assert found[1] == {
        "series": "Load",
        "lead_hours": 1,
        "mae_mw": 22.0,
        "bias_mw": -22.0,
        "outcome_mw": 1012.0,
        "hours": 3,
    }
    assert found[2]["mae_mw"] == 22.0
    # At three hours only the second and third delivery had the newer forecast.
    assert found[3]["mae_mw"] == pytest.approx((112 + 22 + 22) / 3)
    assert found[6]["mae_mw"] == 112.0
    known = ep.load("entsoe_load_forecast", start=FIRST, end=FIRST + 3 * HOUR, as_of=3 * HOUR)
    errors = (known["load_mw"] - 1012.0).abs()
    assert found[3]["mae_mw"] == pytest.approx(errors.mean())


def test_nothing_is_said_where_nothing_is_known(desk: Desk) -> None:
    assert asked(desk, "wind_solar") == []
    assert asked(desk, as_of=(FIRST - HOUR).isoformat()) == []
    answer = desk.get("/api/forecast-errors/tides", bidding_zone="DE-LU")
    assert answer.status_code == 422
    assert "wind_solar" in answer.json()["error"]
