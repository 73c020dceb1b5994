"""The dbt project follows from the catalogue, and its YAML says what its SQL does."""

from pathlib import Path

import pytest

from energy_platform.market.registry import market_sources
from energy_platform.market.units import unit_of
from energy_platform.marts.catalogue import marts, project_folder, source_tables
from energy_platform.marts.dbt_sources import differing_files, write_files
from energy_platform.pipeline.tables import market_table


def test_what_is_written_has_not_drifted() -> None:
    differing = differing_files(project_folder(), market_sources().values())
    assert not differing, "run `energy-platform dbt-sources`"


def test_drift_is_told_and_mended(tmp_path: Path) -> None:
    sources = list(market_sources().values())
    (tmp_path / "models/staging").mkdir(parents=True)
    written = write_files(tmp_path, sources)
    assert len(written) == len(sources) + 4
    left_over = Path("models/staging/stg_no_more.sql")
    edited = Path(f"models/staging/stg_{sources[0].name}.sql")
    (tmp_path / left_over).touch()
    (tmp_path / edited).write_text("select 1")
    assert differing_files(tmp_path, sources) == sorted([left_over, edited])
    assert write_files(tmp_path, sources) == sorted([left_over, edited])
    assert not differing_files(tmp_path, sources)


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
