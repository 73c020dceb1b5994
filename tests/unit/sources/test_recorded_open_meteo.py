"""Recorded replies of Open-Meteo, where they are at hand: archives, and a forecast's defaults."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.open_meteo_forecast import OPEN_METEO_FORECAST
from tests.recorded.manifest import FOLDER, needs_recorded

PAYLOADS = FOLDER / "open_meteo"

pytestmark = needs_recorded


def rows_of(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    body = (PAYLOADS / name).read_bytes()
    message = RawMessage(body=body, received_at=datetime.now(UTC), landing_offset=0)
    checked = check_messages(OPEN_METEO_FORECAST, [message])
    assert checked.quarantined.is_empty()
    return json.loads(body)["hourly"], checked.rows.to_dicts()


@pytest.mark.parametrize(
    ("days", "first"),
    [
        ("2024-03-31_2024-04-01", datetime(2024, 3, 31, tzinfo=UTC)),
        ("2024-04-29_2024-04-30", datetime(2024, 4, 29, tzinfo=UTC)),
        ("2024-10-27_2024-10-28", datetime(2024, 10, 27, tzinfo=UTC)),
    ],
)
def test_unix_times_are_read_across_changes_of_clocks(days: str, first: datetime) -> None:
    said, rows = rows_of(f"open_meteo_archive_{days}.json")
    assert [row["valid_at"] for row in rows] == [first + timedelta(hours=n) for n in range(48)]
    assert [row["wind_speed_10m_m_per_s"] for row in rows] == said["wind_speed_10m"]
    assert [row["shortwave_radiation_w_per_m2"] for row in rows] == said["shortwave_radiation"]


def test_local_times_and_kilometres_per_hour_become_utc_and_metres_per_second() -> None:
    said, rows = rows_of("weatherforecast_openmeteo_1.json")
    assert len(rows) == 72
    assert rows[0]["valid_at"] == datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert [row["temperature_deg_c"] for row in rows] == said["temperature_2m"]
    speeds = [row["wind_speed_10m_m_per_s"] for row in rows]
    assert speeds == pytest.approx([speed / 3.6 for speed in said["wind_speed_10m"]])
