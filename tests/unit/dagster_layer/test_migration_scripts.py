"""Dagster's migration scripts are read once, and say the same."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from alembic.script.base import Script
from dagster import DagsterInstance
from dagster._core.storage import sql

from resources import migration_scripts


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each script that alembic imports from now on."""
    monkeypatch.setattr(sql, "ScriptDirectory", ScriptDirectory)
    monkeypatch.setattr(migration_scripts._RememberedScripts, "_read", {})
    names: list[str] = []
    load = Script._from_path

    def noting(scripts: ScriptDirectory, path: str, *more: str) -> Script | None:
        names.append(path)
        return load(scripts, path, *more)

    monkeypatch.setattr(Script, "_from_path", noting)
    return names


def open_instance(home: Path) -> None:
    home.mkdir(exist_ok=True)
    with DagsterInstance.local_temp(str(home)) as instance:
        assert instance.get_runs_count() == 0


def test_an_instance_that_is_opened_again_reads_no_script(
    loaded: list[str], tmp_path: Path
) -> None:
    open_instance(tmp_path / "one")
    loaded.clear()
    open_instance(tmp_path / "one")
    by_itself = len(loaded)
    assert by_itself > 0
    migration_scripts.remember()
    open_instance(tmp_path / "one")
    loaded.clear()
    open_instance(tmp_path / "one")
    assert loaded == []


def test_the_newest_migration_is_the_same(loaded: list[str]) -> None:
    config = sql.get_alembic_config(sql.__file__, "sqlite/alembic/alembic.ini")
    newest = sql.ScriptDirectory.from_config(config).as_revision_number("head")  # type: ignore[attr-defined]
    migration_scripts.remember()
    for _ in range(2):
        found = sql.ScriptDirectory.from_config(config).as_revision_number("head")  # type: ignore[attr-defined]
        assert found == newest
