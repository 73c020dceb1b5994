"""Readers find a table by what its columns can hold, so each source says what that is."""

import pytest

from energy_platform.formats.entsoe.codes import BIDDING_ZONES
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource

NAMES_A_PLACE_OR_A_PLANT = ("zone", "country", "area", "region", "border", "production_type")


def values(source: MarketSource, column: str) -> tuple[str, ...]:
    [found] = [one for one in source.columns if one.name == column]
    return found.values


@pytest.mark.parametrize("source", market_sources().values(), ids=lambda source: source.name)
def test_a_key_of_places_or_plants_says_which(source: MarketSource) -> None:
    for column in source.key:
        if column.endswith(NAMES_A_PLACE_OR_A_PLANT):
            assert values(source, column), column


@pytest.mark.parametrize("source", market_sources().values(), ids=lambda source: source.name)
def test_codes_stand_beside_their_values(source: MarketSource) -> None:
    for column in source.columns:
        assert len(column.values) == len(set(column.values))
        assert not column.codes or len(column.codes) == len(column.values)


def test_the_values_to_which_a_model_restricts_a_column() -> None:
    assert values(market_source("regelleistung_tender"), "reserve_type") == ("FCR", "aFRR", "mFRR")


def test_a_zone_has_the_code_of_its_provider() -> None:
    [zone] = [one for one in market_source("entsoe_load").columns if one.name == "bidding_zone"]
    assert dict(zip(zone.values, zone.codes, strict=True)) == BIDDING_ZONES
    [forecast] = [
        one
        for one in market_source("entsoe_wind_solar_forecast").columns
        if one.name == "production_type"
    ]
    assert forecast.values == ("Solar", "Wind Offshore", "Wind Onshore")
