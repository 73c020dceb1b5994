"""Names and places that agree: areas, production, and stations of forecast and observation."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UsageError
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

START: Final = datetime(2026, 6, 1, tzinfo=UTC)
QUARTER: Final = timedelta(minutes=15)
PERIOD: Final = {
    "delivery_start": START,
    "delivery_end": START + QUARTER,
    "received_at": START,
}


def test_one_name_finds_the_area_in_the_tables_of_every_provider() -> None:
    italian = {"market": "MGP", "bidding_zone": "NORD", "market_time_unit": "PT15M"}
    store("gme_day_ahead_price", [PERIOD | italian | {"price_eur_per_mwh": 1.0}])
    danish = {"bidding_zone": "DE", "price_eur_per_mwh": 2.0}
    store("energi_data_service_price", [PERIOD | danish])
    charts = {"country": "de", "production_type": "Wind offshore", "power_mw": 3.0}
    store("energy_charts_generation", [PERIOD | charts])
    wind: dict[str, Any] = {"area": "DE", "production": "Wind Offshore"}
    frame = ep.frame(
        north=ep.series("gme_day_ahead_price", "price_eur_per_mwh", area="IT-North"),
        german=ep.series("energi_data_service_price", "price_eur_per_mwh", area="DE-LU"),
        wind=ep.series("energy_charts_generation", "power_mw", **wind),
        every="15m",
        start=START,
        end=START + QUARTER,
    )
    assert frame.select("north", "german", "wind").rows() == [(1.0, 2.0, 3.0)]


def test_each_table_of_a_provider_has_its_own_name_of_an_area() -> None:
    for name, column, area in [
        ("energy_charts_price", "price_eur_per_mwh", {"bidding_zone": "FR"}),
        ("energy_charts_generation", "power_mw", {"country": "fr"}),
    ]:
        assert ep.series(name, column, area="FR").where == area


def test_a_name_that_stands_for_several_of_a_provider_is_refused() -> None:
    with pytest.raises(UsageError, match=r"say fuel_type=\['CCGT', 'OCGT'\]"):
        ep.series("elexon_generation", "generation_mw", production="Fossil Gas")
    with pytest.raises(UsageError, match="no key column 'area'"):
        ep.series("elexon_frequency", "frequency_hz", area="GB")


def test_rows_get_the_common_names_beside_their_own() -> None:
    old, new = datetime(2018, 9, 30, 12, tzinfo=UTC), datetime(2018, 10, 1, 12, tzinfo=UTC)
    prices = pl.DataFrame({"bidding_zone": ["DE", "DE", "XX"], "delivery_start": [old, new, new]})
    named = ep.named(prices, "energi_data_service_price")
    assert named["area"].to_list() == ["DE-AT-LU", "DE-LU", None]
    balances = pl.DataFrame({"area": ["DE", "GB"]})
    assert ep.named(balances, "imbalance")["common_area"].to_list() == ["DE", "GB"]
    with pytest.raises(UsageError, match="neither areas nor kinds of production"):
        ep.named(prices, "elexon_frequency")


def test_forecast_and_observation_of_a_station_are_joined_by_its_number() -> None:
    store(
        "dwd_mosmix_forecast",
        [
            {
                "run_at": START,
                "valid_at": START,
                "station_id": "K1174",
                "station_name": "Nowhere",
                "station_latitude_deg": 50.0,
                "station_longitude_deg": 8.0,
                "received_at": START,
            }
        ],
    )
    store(
        "dwd_wind_observation",
        [
            {"observed_at": START, "station_id": number, "product": "10_minutes/wind"}
            | {"quality_level": 1, "received_at": START}
            for number in ("00433", "15677")
        ],
    )
    store(
        "noaa_gfs_wind_forecast",
        [
            {"run_at": START, "valid_at": START, "latitude": 52.5, "longitude": east}
            | {"height_m": 80.0, "received_at": START}
            for east in (13.25, 13.5)
        ],
    )
    stations = ep.stations()
    forecasts = stations.filter(source="dwd_mosmix_forecast", wmo_id="10384")
    observed = stations.filter(source="dwd_wind_observation", wmo_id="10384")
    assert forecasts["station"].to_list() == ["10384"]
    assert observed["station"].to_list() == ["00433"]
    unlisted = stations.filter(pl.col("station").is_in(["K1174", "15677"]))
    assert unlisted.select("station", "latitude_deg").rows() == [("K1174", 50.0), ("15677", None)]
    tempelhof = forecasts.select("latitude_deg", "longitude_deg").row(0)
    near = ep.stations(near=tempelhof)
    assert near["distance_km"].is_sorted(nulls_last=True)
    grid = near.filter(source="noaa_gfs_wind_forecast")
    assert grid.select("latitude_deg", "longitude_deg").rows() == [(52.5, 13.5), (52.5, 13.25)]
    assert near.filter(source="open_meteo_forecast")["station"][0] == "Berlin"
