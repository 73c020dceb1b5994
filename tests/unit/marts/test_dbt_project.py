"""The dbt project follows from the catalogue, and its YAML says what its SQL does."""

import pytest

from energy_platform.market.registry import market_sources
from energy_platform.market.units import unit_of
from energy_platform.marts.catalogue import marts, project_folder, source_tables
from energy_platform.pipeline.tables import market_table


def test_tables_are_read_from_the_project_as_the_sources_say() -> None:
    for name, source in market_sources().items():
        wanted, found = market_table(source), source_tables()[name]
        assert (found.name, found.dtypes, found.event_time, found.key) == (
            wanted.name,
            wanted.dtypes,
            wanted.event_time,
            wanted.key,
        )


@pytest.mark.parametrize("name", marts())
def test_a_mart_says_what_it_is_made_of(name: str) -> None:
    """Its YAML names the sources that its SQL reaches, through other marts too."""
    assert set(marts()[name].upstream) == _sources_of(name)


@pytest.mark.parametrize("name", marts())
def test_every_column_is_described_and_numbers_have_units(name: str) -> None:
    mart = marts()[name]
    assert mart.description
    assert set(mart.key) <= set(mart.dtypes)
    assert mart.event_time in mart.key
    for column in mart.columns:
        assert column.description, column.name
        if column.type == "Float64":
            assert unit_of(column.name), column.name
    assert {f"{name}_has_one_row_per_key"} <= {test.name for test in mart.tests}


def _sources_of(name: str) -> set[str]:
    sql = (project_folder() / f"models/marts/{name}.sql").read_text()
    through = {
        source for mart in marts() if f"ref('{mart}')" in sql for source in _sources_of(mart)
    }
    direct = {
        source
        for source in market_sources()
        if f"ref('stg_{source}')" in sql or f"'{source}'" in sql
    }
    return through | direct
