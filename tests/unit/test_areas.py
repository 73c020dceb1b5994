"""One name for each area and kind of production, and one place for each of DWD's stations."""

from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.formats.dwd_mosmix import STATIONS
from energy_platform.formats.entsoe import codes
from energy_platform.market import production
from energy_platform.market.areas import (
    AREAS,
    COLUMNS,
    NAMES,
    area_names,
    area_of,
    areas_table,
    delivery_areas,
    named_area,
    own_names,
)
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.market.stations import distance_km, dwd_stations
from energy_platform.pipeline.checks import check_messages
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parents[1] / "testcases"
SOURCES: Final = market_sources()
NO_AREAS: Final = {
    "energy_charts_frequency": {"DE-Freiburg"},  # a town
    "noaa_degree_days": None,  # parts of the United States
    "netztransparenz_imbalance": {
        *("reBAP unterdeckt", "reBAP ueberdeckt", "AEP-Schätzer", "AEP Knappheitskomponente"),
        "Deutschland (Positiv)",
    },
    "nord_pool_intraday_trade": {"21"},  # the other side of a trade across a border
    "gme_day_ahead_price": {"CORS", "NUOVA"},  # a border, and a zone made up for a test
    "entsoe_generation": {"10YXX-NEW------9"},  # a code made up for a test
}
"""Values of area columns that are no area, and why; None stands for every value."""


def values_of(source: MarketSource, column: str) -> set[str]:
    """Return every value of a column that is declared, asked for, or in a test case."""
    declared = next(one for one in source.columns if one.name == column)
    found = set(declared.values)
    for case in sorted((TESTCASES / source.name).iterdir()):
        try:
            rows = check_messages(source, case_messages(source, case)).rows
        except EnergyPlatformError:  # a case whose message is refused
            continue
        found |= set(rows[column].drop_nulls().to_list())
    return found


WITH_AREAS: Final = [
    (name, column)
    for name, source in SOURCES.items()
    for column in COLUMNS
    if source.dtypes.get(column) == pl.String
]


@pytest.mark.parametrize(("name", "column"), WITH_AREAS)
def test_every_area_of_every_source_has_its_name(name: str, column: str) -> None:
    no_areas = NO_AREAS.get(name, set())
    if no_areas is None:
        return
    unknown = {
        value
        for value in values_of(SOURCES[name], column) - no_areas
        if area_of(SOURCES[name].provider.name, value) not in area_names()
    }
    assert not unknown


def test_there_are_sources_with_areas() -> None:
    assert len(WITH_AREAS) > 20
    assert ("nord_pool_intraday_trade", "delivery_area_id") in WITH_AREAS


def test_both_ends_of_every_border_of_jao_are_areas() -> None:
    borders = values_of(SOURCES["jao_max_exchange"], "border") - {"ALBE_ALDE"}
    ends = {end for border in borders for end in border.split("_")}
    assert {area_of("JAO", end) for end in ends} <= area_names()
    assert area_of("JAO", "DE") == "DE-LU"


def test_entsoe_names_no_other_areas() -> None:
    assert set(codes.AREAS) <= area_names()


def test_each_area_stands_once_and_every_name_means_one() -> None:
    assert len(area_names()) == len(AREAS)
    assert {name.area for name in NAMES} <= area_names()
    assert all(one.valid_from is None or one.valid_until is None for one in AREAS)


@pytest.mark.parametrize(
    ("provider", "own", "on", "area"),
    [
        ("ENTSO-E", "DE-LU", None, "DE-LU"),
        ("Energi Data Service", "DE", None, "DE-LU"),
        ("Energi Data Service", "DE", date(2018, 9, 30), "DE-AT-LU"),
        ("Energi Data Service", "DE", date(2018, 10, 1), "DE-LU"),
        ("Energy-Charts", "de", None, "DE"),
        ("Energy-Charts", "uk", None, "GB"),
        ("Energy-Charts", "DE-LU", None, "DE-LU"),
        ("GME", "NORD", None, "IT-North"),
        ("JAO", "DE", None, "DE-LU"),
        ("SMARD", "DE", None, "DE"),
        ("Nord Pool", "24", None, "DE(TenneT GER)"),
        ("Nord Pool", "99", None, None),
        ("ENTSO-E", "10YXX-NEW------9", None, None),
    ],
)
def test_names(provider: str, own: str, on: date | None, area: str | None) -> None:
    assert area_of(provider, own, on) == area
    day = pl.lit(on or date(2026, 3, 1), dtype=pl.Date)
    assert pl.select(named_area(provider, pl.lit(own), day)).item() == area


def test_own_names_are_the_way_back() -> None:
    for name in NAMES:
        assert name.own in own_names(name.provider, name.area)
    assert own_names("ENTSO-E", "DE-LU") == ["DE-LU"]
    assert own_names("Energy-Charts", "CZ") == ["cz"]


def test_delivery_areas() -> None:
    assert delivery_areas("DE-LU") == ("23", "22", "24", "25")
    assert delivery_areas("DE(TenneT GER)") == delivery_areas("TTG") == ("24",)
    with pytest.raises(UsageError, match="there are DE-LU, "):
        delivery_areas("FR")


def test_the_table_has_areas_and_names_with_their_days() -> None:
    table = areas_table()
    split = date(2018, 10, 1)
    old = table.filter(area="DE-AT-LU").row(0, named=True)
    assert (old["valid_until"], old["own_name"], old["name_valid_until"]) == (split, "DE", split)
    assert set(table["area"]) == area_names()


NO_PRODUCTION: Final = {
    "energy_charts_generation": {
        *("Cross border electricity trading", "Hydro pumped storage consumption", "Load"),
        *("Renewable share of generation", "Renewable share of load", "Residual load"),
    },
    "elexon_generation": None,  # interconnectors, INT…, stand among fuels
    "entsoe_generation": {"B99"},  # a code made up for a test
}
"""Values of production columns that no plant produces."""

WITH_PRODUCTION: Final = [
    (name, column)
    for name, source in SOURCES.items()
    for column in production.COLUMNS
    if source.dtypes.get(column) == pl.String
]


@pytest.mark.parametrize(("name", "column"), WITH_PRODUCTION)
def test_every_kind_of_production_of_every_source_has_its_name(name: str, column: str) -> None:
    found, excepted = values_of(SOURCES[name], column), NO_PRODUCTION.get(name, set())
    if excepted is None:
        excepted = {value for value in found if value.startswith("INT")}
    provider = SOURCES[name].provider.name
    assert {
        value
        for value in found - excepted
        if production.production_of(provider, value) not in production.PRODUCTIONS
    } == set()
    assert all(production.production_of(provider, value) is None for value in excepted)


def test_there_are_sources_with_production() -> None:
    assert len(WITH_PRODUCTION) >= 7


def test_production_by_frame_and_by_value_agree() -> None:
    for provider, names in production.NAMES.items():
        for own, meant in names.items():
            told = production.named_production(provider, pl.lit(own))
            assert pl.select(told).item() == production.production_of(provider, own) == meant
            assert own in production.own_names(provider, meant)
    assert set(production.productions_table()["production"]) == production.PRODUCTIONS


def test_each_station_stands_once() -> None:
    stations = dwd_stations()
    assert stations["wmo_id"].n_unique() == stations["dwd_id"].n_unique() == stations.height
    assert set(STATIONS) <= set(stations["wmo_id"])
    assert stations["latitude_deg"].is_between(47.2, 55.1).all()
    assert stations["longitude_deg"].is_between(5.8, 15.1).all()
    munich_to_hamburg = stations.filter(wmo_id="10147").select(distance_km(48.348, 11.813)).item()
    assert munich_to_hamburg == pytest.approx(600, abs=10)
