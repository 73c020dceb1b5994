"""A damaged file is set aside and begun anew, whoever has it open and whoever keeps what in it."""

import logging
import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_platform.errors import DamagedFileError
from energy_platform.storage.sqlite_file import SqliteFile

LAYOUT = "CREATE TABLE IF NOT EXISTS note (text TEXT);"
PAGE = 4096

Damage = Callable[[Path], None]


def note(file: SqliteFile, text: str) -> None:
    with file.transaction() as connection:
        connection.execute("INSERT INTO note VALUES (?)", [text])


def notes(file: SqliteFile) -> list[str]:
    with file.transaction("DEFERRED") as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note")]


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"))


def not_a_database(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 1_000)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 2 * PAGE])


def overwritten_inside(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[PAGE:] = b"\xa5" * (len(body) - PAGE)
    path.write_bytes(bytes(body))


DAMAGES = [not_a_database, torn, overwritten_inside]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of some pages, closed, so that all of it is in its place."""
    path = tmp_path / "home" / "notes.sqlite"
    file = SqliteFile(path, LAYOUT)
    for number in range(60):
        note(file, f"{number}" * 300)
    file.close()
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_when_it_is_opened(
    path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    damage(path)
    damaged = path.read_bytes()
    file = SqliteFile(path, LAYOUT)
    with caplog.at_level(logging.ERROR):
        assert notes(file) == []
    [kept] = set_aside(path)
    assert kept.read_bytes() == damaged
    [line] = [record.getMessage() for record in caplog.records]
    assert str(path) in line
    assert kept.name in line
    note(file, "new")
    assert notes(SqliteFile(path, LAYOUT)) == ["new"]
    assert set_aside(path) == [kept]


def test_damage_found_while_the_file_is_open_costs_one_transaction(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a check has read would be in memory, where a broken disk can't reach it.
    monkeypatch.setattr("energy_platform.storage.sqlite_file._CHECKED_BYTES", 0)
    one, other = SqliteFile(path, LAYOUT), SqliteFile(path, LAYOUT)
    for file in (one, other):
        with file.transaction("DEFERRED"):
            pass
    # Through the same file, as a broken disk would have it.
    with path.open("r+b") as broken:
        broken.write(b"\0" * path.stat().st_size)
    with pytest.raises(DamagedFileError, match="kept as"):
        notes(one)
    note(one, "by one")
    note(other, "by the other")
    assert notes(one) == notes(other) == ["by one", "by the other"]
    # Closing what another file was read with takes nothing from the new one.
    other.close()
    note(one, "after")
    one.close()
    assert notes(other) == ["by one", "by the other", "after"]
    assert len(set_aside(path)) == 1


def test_a_file_too_large_to_be_checked_is_set_aside_when_reading_it_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_platform.storage.sqlite_file._CHECKED_BYTES", 0)
    overwritten_inside(path)
    file = SqliteFile(path, "")
    with pytest.raises(DamagedFileError):
        notes(file)
    assert notes(SqliteFile(path, LAYOUT)) == []
    assert len(set_aside(path)) == 1


def test_a_removed_file_is_begun_anew(path: Path) -> None:
    file = SqliteFile(path, LAYOUT)
    notes(file)
    for part in path.parent.iterdir():
        part.unlink()
    note(file, "new")
    assert notes(SqliteFile(path, LAYOUT)) == ["new"]
    assert set_aside(path) == []


def test_no_more_than_a_few_damaged_files_are_kept(path: Path) -> None:
    for _ in range(5):
        not_a_database(path)
        notes(SqliteFile(path, LAYOUT))
    assert len(set_aside(path)) == 3
    newest = set_aside(path)[-1].name.removeprefix(f"{path.name}.damaged-")
    made_at = datetime.strptime(newest, "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - made_at).total_seconds()) < 60


def write_ten(path: Path) -> None:
    file = SqliteFile(path, LAYOUT)
    for number in range(10):
        note(file, str(number))


def test_processes_that_find_the_damage_at_once_lose_nothing_of_the_new_file(path: Path) -> None:
    not_a_database(path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_ten, args=(path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(notes(SqliteFile(path, LAYOUT))) == 30
    assert len(set_aside(path)) == 1
