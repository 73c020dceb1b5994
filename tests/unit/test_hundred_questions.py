"""What traders and quants look for, and what each question must find, first, too, and never."""

from typing import Final

import pytest

from energy_platform.reading.catalogue import catalogue

WEATHER: Final = "dwd_mosmix_forecast met_office_forecast open_meteo_forecast"
WIND_OF_GERMANY: Final = (
    "dwd_wind_observation noaa_gfs_wind_forecast open_meteo_forecast dwd_mosmix_forecast "
    "met_office_forecast entsoe_generation smard_generation energy_charts_generation "
    "residual_load features_de_lu wind_solar_forecast_error"
)
PRICES: Final = "day_ahead_price energy_charts_price smard_price"
GENERATION: Final = "energy_charts_generation smard_generation ceps_generation elexon_generation"

QUESTIONS: Final = [
    # question, what it finds first, what it must find too, what it must not find
    # day-ahead prices
    ("price france", "entsoe_day_ahead_price", PRICES, "ote_day_ahead_price imbalance"),
    ("Strompreis", "entsoe_day_ahead_price", PRICES, "agsi_storage entsog_flow"),
    ("Strompreise Deutschland", "entsoe_day_ahead_price", PRICES, "ote_day_ahead_price"),
    ("Börsenstrompreis", "entsoe_day_ahead_price", PRICES, "position"),
    ("power price", "entsoe_day_ahead_price", PRICES, "agsi_storage"),
    ("electricity prices poland", "entsoe_day_ahead_price", PRICES, "gme_day_ahead_price"),
    ("spot price", "entsoe_day_ahead_price", PRICES, "elexon_system_price"),
    ("Spotpreis Österreich", "entsoe_day_ahead_price", PRICES, "ote_day_ahead_price"),
    ("day-ahead price germany", "entsoe_day_ahead_price", PRICES, "gme_day_ahead_price"),
    ("day ahead DE-LU", "entsoe_day_ahead_price", PRICES, "gme_day_ahead_price"),
    ("day-ahead auction", "entsoe_day_ahead_price", "ote_day_ahead_price", "agsi_storage"),
    ("EPEX spot price", "entsoe_day_ahead_price", PRICES, "agsi_storage"),
    ("EXAA", "day_ahead_price", "entsoe_day_ahead_price", "gme_day_ahead_price"),
    ("PUN", "gme_day_ahead_price", "day_ahead_price", "smard_price"),
    ("price italy", "gme_day_ahead_price", "day_ahead_price", "ote_day_ahead_price"),
    ("Strompreis Italien", "gme_day_ahead_price", "day_ahead_price", "ote_day_ahead_price"),
    (
        "price DK1",
        "entsoe_day_ahead_price",
        "day_ahead_price energi_data_service_price energy_charts_price",
        "imbalance",
    ),
    (
        "price SE4",
        "entsoe_day_ahead_price",
        "day_ahead_price energi_data_service_price",
        "energy_charts_price",
    ),
    (
        "danish price",
        "entsoe_day_ahead_price",
        "day_ahead_price energi_data_service_price",
        "ote_day_ahead_price",
    ),
    ("day ahead price czech", "ote_day_ahead_price", "day_ahead_price", "gme_day_ahead_price"),
    (
        "prices nordics",
        "entsoe_day_ahead_price",
        "day_ahead_price energi_data_service_price",
        "ote_day_ahead_price",
    ),
    ("price spain portugal", "entsoe_day_ahead_price", "day_ahead_price", "smard_price"),
    ("zone spread", "zone_spread", "", "entsog_flow"),
    ("price spread germany france", "zone_spread", "", "agsi_storage"),
    ("intraday spread", "intraday_spread", "", "zone_spread"),
    # intraday
    ("trades", "nord_pool_intraday_trade", "intraday_bar", "agsi_storage"),
    ("intraday trades", "nord_pool_intraday_trade", "", "entsoe_load"),
    ("order book", "nord_pool_intraday_order_book", "", "position"),
    ("Orderbuch", "nord_pool_intraday_order_book", "", "position"),
    ("contracts", "nord_pool_intraday_contract", "nord_pool_intraday_trade", "agsi_storage"),
    ("OHLC", "intraday_bar", "", "day_ahead_price"),
    ("VWAP", "intraday_bar", "intraday_spread", "day_ahead_price"),
    ("intraday price", "ote_intraday_price", "intraday_spread intraday_bar", "smard_price"),
    ("intraday price CZ", "ote_intraday_price", "intraday_spread", "nord_pool_intraday_trade"),
    ("intraday ticker", "nord_pool_intraday_trade", "", "smard_price"),
    ("nordpool trades", "nord_pool_intraday_trade", "nord_pool_intraday_order_book", "smard_price"),
    # load
    ("load", "entsoe_load", "ceps_load residual_load entsoe_load_forecast", "agsi_storage"),
    ("Last Deutschland", "entsoe_load", "energy_charts_generation", "ceps_load"),
    ("demand france", "entsoe_load", "entsoe_load_forecast residual_load", "ceps_load"),
    ("Stromverbrauch", "entsoe_load", "ceps_load", "agsi_storage"),
    ("load forecast", "entsoe_load_forecast", "residual_load", "ceps_load"),
    ("Lastprognose", "entsoe_load_forecast", "residual_load", "ceps_load"),
    ("residual load", "residual_load", "energy_charts_generation", "agsi_storage"),
    ("Residuallast DE", "residual_load", "energy_charts_generation", "ceps_load"),
    ("czech load", "ceps_load", "entsoe_load", "gas_balance"),
    # wind and sun
    ("wind DE", "entsoe_wind_solar_forecast", WIND_OF_GERMANY, "ceps_generation agsi_storage"),
    ("wind germany", "entsoe_wind_solar_forecast", WIND_OF_GERMANY, "ceps_generation"),
    ("Windprognose", "entsoe_wind_solar_forecast", "noaa_gfs_wind_forecast", "smard_generation"),
    ("wind offshore", "entsoe_wind_solar_forecast", GENERATION.split()[0], "dwd_wind_observation"),
    ("solar forecast", "entsoe_wind_solar_forecast", "features_de_lu", "smard_generation"),
    ("PV", "entsoe_wind_solar_forecast", "smard_generation entsoe_generation", "agsi_storage"),
    ("Photovoltaik", "entsoe_wind_solar_forecast", "smard_generation", "dwd_wind_observation"),
    ("Solareinspeisung", "entsoe_generation", "smard_generation", "agsi_storage"),
    ("Winderzeugung", "entsoe_generation", "smard_generation", "dwd_wind_observation"),
    ("forecast error wind", "wind_solar_forecast_error", "", "entsoe_load_forecast"),
    ("Prognosefehler", "wind_solar_forecast_error", "residual_load", "entsoe_load_forecast"),
    # generation
    ("nuclear", "entsoe_generation", GENERATION, "entsoe_wind_solar_forecast agsi_storage"),
    ("Kernenergie", "entsoe_generation", GENERATION, "entsoe_wind_solar_forecast"),
    ("nuclear france", "entsoe_generation", "energy_charts_generation", "ceps_generation"),
    ("lignite", "smard_generation", "entsoe_generation energy_charts_generation", "ceps_load"),
    ("Braunkohle", "smard_generation", "entsoe_generation energy_charts_generation", "ceps_load"),
    ("coal germany", "entsoe_generation", "smard_generation", "elexon_generation"),
    ("hydro norway", "entsoe_generation", "energy_charts_generation", "smard_generation"),
    ("Pumpspeicher", "entsoe_generation", GENERATION, "agsi_storage"),
    ("CCGT", "elexon_generation", "ceps_generation", "agsi_storage"),
    ("generation by fuel", "entsoe_generation", "elexon_generation", "agsi_storage"),
    ("Stromerzeugung", "entsoe_generation", GENERATION, "agsi_storage"),
    ("generation GB", "elexon_generation", "energy_charts_generation", "ceps_generation"),
    ("renewable share", "energy_charts_generation", "", "agsi_storage"),
    ("SMARD", "smard_price", "smard_generation day_ahead_price", "agsi_storage"),
    # outages
    ("outages", "entsoe_outage", "", "entsoe_load"),
    ("unavailability", "entsoe_outage", "", "entsoe_load"),
    ("Kraftwerksausfälle", "entsoe_outage", "", "entsoe_load"),
    ("REMIT", "entsoe_outage", "", "entsoe_load"),
    ("nuclear outages france", "entsoe_outage", "", "entsoe_generation"),
    # borders
    ("cross-border flow", "cross_border_flow", "entsoe_cross_border_flow", "entsog_flow"),
    ("Lastfluss", "cross_border_flow", "entsoe_cross_border_flow", "entsoe_load"),
    ("scheduled exchange", "entsoe_scheduled_exchange", "cross_border_flow", "entsog_flow"),
    ("NTC", "jao_max_exchange", "cross_border_flow", "entsoe_load"),
    ("flow-based", "jao_max_exchange", "", "entsog_flow"),
    # balancing
    ("Ausgleichsenergie", "netztransparenz_imbalance", "imbalance ceps_imbalance", "agsi_storage"),
    (
        "imbalance price",
        "netztransparenz_imbalance",
        "imbalance elexon_system_price",
        "smard_price",
    ),
    ("imbalance germany", "netztransparenz_imbalance", "imbalance", "ceps_imbalance"),
    ("reBAP", "netztransparenz_imbalance", "imbalance", "elexon_system_price"),
    ("NRV-Saldo", "netztransparenz_imbalance", "features_de_lu", "elexon_system_price"),
    ("system price", "elexon_system_price", "", "smard_price"),
    ("aFRR", "regelleistung_tender", "", "netztransparenz_imbalance"),
    ("SRL", "regelleistung_tender", "", "netztransparenz_imbalance"),
    ("Regelleistung", "regelleistung_tender", "", "entsoe_load"),
    ("Regelenergie", "regelleistung_tender", "netztransparenz_imbalance", "entsoe_load"),
    ("frequency", "energy_charts_frequency", "elexon_frequency", "entsoe_load"),
    ("Netzfrequenz", "energy_charts_frequency", "elexon_frequency", "entsoe_load"),
    ("grid frequency GB", "elexon_frequency", "", "energy_charts_frequency"),
    # gas
    ("gas storage germany", "agsi_storage", "gas_balance", "day_ahead_price entsog_flow"),
    ("Gasspeicher", "agsi_storage", "gas_balance", "entsoe_load"),
    ("Speicherfüllstand", "agsi_storage", "gas_balance", "entsoe_generation"),
    ("gas flow", "entsog_flow", "gas_balance", "cross_border_flow"),
    ("gas nominations", "entsog_flow", "", "agsi_storage"),
    ("injection", "agsi_storage", "gas_balance", "entsog_flow"),
    # weather
    ("temperature", "dwd_mosmix_forecast", WEATHER, "entsoe_load_forecast"),
    ("Temperatur Deutschland", "dwd_mosmix_forecast", WEATHER, "noaa_degree_days"),
    ("wind speed", "dwd_wind_observation", WEATHER, "entsoe_wind_solar_forecast"),
    ("Globalstrahlung", "dwd_mosmix_forecast", WEATHER, "noaa_gfs_wind_forecast"),
    ("weather forecast", "open_meteo_forecast", WEATHER, "entsoe_load_forecast"),
    ("GFS", "noaa_gfs_wind_forecast", "", "met_office_forecast"),
    ("HDD", "noaa_degree_days", "", "agsi_storage"),
    ("Heizgradtage", "noaa_degree_days", "", "agsi_storage"),
    ("München", "open_meteo_forecast", "", "dwd_wind_observation"),
    # the desk, features, codes, and words that are mistyped
    ("position", "position", "", "agsi_storage"),
    ("portfolio", "position", "", "agsi_storage"),
    ("features", "features_de_lu", "", "agsi_storage"),
    ("load 10YFR-RTE------C", "entsoe_load", "entsoe_load_forecast", "agsi_storage"),
    ("10Y1001A1001A82H price", "entsoe_day_ahead_price", "day_ahead_price", "smard_price"),
    ("50Hertz", "netztransparenz_imbalance", "entsoe_outage", "energy_charts_frequency"),
    ("nuclaer", "entsoe_generation", GENERATION, "agsi_storage"),
    ("germny prices", "entsoe_day_ahead_price", PRICES, "gme_day_ahead_price"),
]

NOTHING: Final = ["price japan", "oil futures", "LNG terminal", "wind mars", "zzz", "bitcoin"]


def found(question: str) -> list[str]:
    return [entry.name for entry in catalogue(question)]


def test_there_are_a_hundred_questions() -> None:
    assert len({question for question, *_ in QUESTIONS}) == len(QUESTIONS) >= 100


@pytest.mark.parametrize(
    ("question", "first", "too", "never"), QUESTIONS, ids=[one[0] for one in QUESTIONS]
)
def test_a_question_finds_what_is_meant(question: str, first: str, too: str, never: str) -> None:
    names = found(question)
    assert names[:1] == [first], names
    assert set(too.split()) <= set(names), names
    assert not set(never.split()) & set(names), names


@pytest.mark.parametrize("question", NOTHING)
def test_what_no_table_has_is_not_found(question: str) -> None:
    assert found(question) == []
