"""A source is found by what people call it."""

from dataclasses import replace

import pytest

import energy_platform as ep
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.quantity import Quantity
from energy_platform.reading import catalogue as entries
from energy_platform.reading.catalogue import catalogue
from energy_platform.reading.dataset import Dataset


def entry(name: str, description: str = "", *columns: ColumnInfo, terms: str = "") -> Dataset:
    return replace(
        catalogue()[0],
        name=name,
        provider="A provider",
        protocol="REST",
        group="grid",
        description=description,
        columns=columns,
        terms=terms,
    )


LOAD = ColumnInfo(
    name="load_mw",
    type="Float64",
    unit="MW",
    description="Demand",
    nullable=True,
    quantity=Quantity.MEAN_POWER,
)
ENTRIES = [
    entry("anemometer", "Wind at German stations."),
    entry("charts_price", "Prices of AT and DE-LU, and the wind forecast behind them."),
    entry("consumption", "What Österreich uses.", LOAD, terms="CC BY 4.0"),
    entry("wind_forecast", "Looked at over Czechia."),
]


def found(text: str) -> list[str]:
    return [one.name for one in entries.found(ENTRIES, text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("wind", ["wind_forecast", "anemometer", "charts_price"]),  # the name goes first
        ("WIND", ["wind_forecast", "anemometer", "charts_price"]),
        ("win fore", ["wind_forecast", "charts_price"]),  # words that are begun
        ("ind", []),  # and only begun
        ("osterreich", ["charts_price", "consumption"]),  # the country, by its code and its name
        ("osterr", ["consumption"]),
        ("ÖSTER", ["consumption"]),
        ("wind DE", ["anemometer", "charts_price"]),
        ("wind germany", ["anemometer", "charts_price"]),
        ("cz", ["wind_forecast"]),
        ("AT", ["charts_price", "consumption"]),  # a country, not the word of a sentence
        ("demand", ["consumption"]),
        ("MW", ["consumption"]),
        ("cc by", ["consumption"]),
        ("wind demand", []),
        ("DE-LU", ["charts_price"]),
        ('"', [one.name for one in ENTRIES]),
        ('wi"nd', []),
        ("wind OR demand", []),
        ("wind*", ["wind_forecast", "anemometer", "charts_price"]),
        ("name:wind", []),
        ("", [one.name for one in ENTRIES]),
        ("  ", [one.name for one in ENTRIES]),
    ],
)
def test_every_word_is_found_and_the_best_is_first(text: str, names: list[str]) -> None:
    assert found(text) == names


def test_wind_in_germany_is_found_among_all_sources() -> None:
    names = ep.catalog("wind DE")["name"].to_list()
    assert {"dwd_wind_observation", "noaa_gfs_wind_forecast"} <= set(names)
    assert ep.catalog("wind DE").columns == ep.catalog().columns


def test_without_a_question_everything_is_listed_in_order() -> None:
    names = [one.name for one in catalogue()]
    assert names == sorted(names)


def test_what_nothing_has_is_an_empty_table_with_all_columns() -> None:
    nothing = ep.catalog("zzz")
    assert nothing.is_empty()
    assert nothing.schema == ep.catalog().schema


@pytest.mark.parametrize("one", catalogue(), ids=lambda one: one.name)
def test_every_source_is_found_by_its_name(one: Dataset) -> None:
    assert catalogue(one.name)[0].name == one.name
    assert one.name in [each.name for each in catalogue(one.name.replace("_", " "))]
