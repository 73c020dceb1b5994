"""A recorded MOSMIX file of DWD, where it is at hand."""

from datetime import UTC, datetime, timedelta

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.sources.dwd_mosmix_forecast import DWD_MOSMIX_FORECAST
from energy_platform.sources.dwd_wind_observation import DWD_WIND_OBSERVATION
from tests.recorded.manifest import FOLDER, needs_recorded

PAYLOADS = FOLDER

pytestmark = needs_recorded


def checked(source: MarketSource) -> CheckedRows:
    body = PAYLOADS.joinpath("dwd", "MOSMIX_L_LATEST.kmz").read_bytes()
    message = RawMessage(body=body, received_at=datetime.now(UTC), landing_offset=0)
    return check_messages(source, [message])


def test_every_step_of_a_recorded_file_is_read() -> None:
    result = checked(DWD_MOSMIX_FORECAST)
    assert result.quarantined.is_empty()
    rows = result.rows.sort("valid_at")
    assert rows.height == 247
    assert rows["run_at"].unique().to_list() == [datetime(2023, 4, 12, 9, tzinfo=UTC)]
    assert rows["valid_at"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]
    first = rows.row(0, named=True)
    assert first["station_id"] == "P0036"
    assert (first["station_latitude_deg"], first["station_longitude_deg"]) == (51.97, 7.63)
    assert first["temperature_deg_c"] == 9.6
    assert first["wind_speed_m_per_s"] == 5.14
    assert first["pressure_pa"] == 99700.0
    assert first["global_radiation_kj_per_m2"] == 510.0
    assert first["precipitation_kg_per_m2"] == 1.2


def test_a_forecast_is_no_observation() -> None:
    result = checked(DWD_WIND_OBSERVATION)
    assert result.rows.is_empty()
    assert "no member like produkt_*.txt" in result.quarantined["reason"][0]
