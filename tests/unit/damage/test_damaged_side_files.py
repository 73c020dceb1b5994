"""Whatever is in a side file, the platform goes on; what is no truth is made again and said."""

import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.feeds.ftp_cursor import FtpCursor
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.progress import Progress
from energy_platform.feeds.sns.fingerprints import Fingerprints
from energy_platform.feeds.sns.ledger import Ledger
from energy_platform.feeds.websocket.feed import _numbers
from energy_platform.ingest.collector.service import feed_statuses
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.operations.live_bus import live_bus_status
from energy_platform.operations.status import SourceState
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.settings import StatePlace, settings
from energy_platform.storage.sqlite_file import damage_of, set_aside_if_damaged
from tests.support.damage import DAMAGES
from tests.support.sources import EXAMPLE
from tests.support.stores import hot, run_all, show, stored
from tests.unit.damage.filled_home import (
    assert_next_is_stored,
    assert_others_go_on,
    assert_tables_are,
    reopened,
    status_of,
)

_TRUTH = ("landing", "warehouse")


def add_side_files(home: Path, batches: MicroBatches) -> None:
    """Use what writes the files beside the truth."""
    for source in (EXAMPLE.name, "other_price"):
        batches.hot_turns.name_anew(source)
    BatchHistory(StatePlace(home)).add_failure(EXAMPLE.name, ValueError("once"))
    AlertBook(StatePlace(home)).add_failed_run("run", "job", datetime.now(UTC), "error")
    ProviderLimits(StatePlace(home)).ban(EXAMPLE.provider, 1.0)
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "feeds.json").write_text(json.dumps({EXAMPLE.name: {"state": "running"}}))
    (home / "run" / "announced.json").write_text(json.dumps({"published": 3}))
    for address in (settings().live_bus_file, settings().live_bus_publisher_file):
        address.write_text("unix://role:secret@/nowhere/valkey.sock")


def side_files(home: Path) -> list[Path]:
    """Return the files of a home that hold no truth, and no lock."""
    return sorted(
        file
        for file in home.rglob("*")
        if file.is_file()
        and file.relative_to(home).parts[0] not in _TRUTH
        and file.suffix != ".lock"
        and ".damaged-" not in file.name
    )


def close(batches: MicroBatches) -> None:
    """Bring what the hot store holds into its file."""
    cast("Any", batches.hot_store).close()


@pytest.fixture
def home_with_side_files(home: Path, batches: MicroBatches) -> Path:
    add_side_files(home, batches)
    close(batches)
    return home


SIDE_FILES = {
    "alerts.sqlite", "announced.json", "batch_history.sqlite", "example_price.batch",
    "example_price.copy", "feeds.json", "hot.sqlite", "landing_is_simulated", "live_bus.url",
    "live_bus_publisher.url", "other_price.batch", "other_price.copy", "provider_limits.sqlite",
}  # fmt: skip


def test_every_side_file_of_a_home_is_tried_here(home_with_side_files: Path) -> None:
    found = {file.name for file in side_files(home_with_side_files)}
    assert {name for name in found if not name.endswith(("-wal", "-shm"))} == SIDE_FILES


def assert_all_goes_on(control: MicroBatches, damage: str) -> None:
    batches = reopened()
    assert_others_go_on(batches)
    assert status_of(batches, EXAMPLE).state is not SourceState.UNKNOWN
    if damage == "flipped":
        # A database has no checksums: a flipped bit of a value is that of another value.
        HotLane(batches, EXAMPLE).rebuild()
    show(batches)
    assert_tables_are(batches, control)
    assert_next_is_stored(batches)


@pytest.mark.parametrize("damage", DAMAGES)
def test_all_goes_on_with_every_side_file_damaged(
    damage: str, home_with_side_files: Path, control: MicroBatches
) -> None:
    for file in side_files(home_with_side_files):
        DAMAGES[damage](file)
    assert_all_goes_on(control, damage)


@pytest.mark.nightly
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", sorted(SIDE_FILES))
def test_all_goes_on_with_one_side_file_damaged(
    damage: str, name: str, home_with_side_files: Path, control: MicroBatches
) -> None:
    [file] = home_with_side_files.rglob(name)
    DAMAGES[damage](file)
    assert_all_goes_on(control, damage)


def test_the_hot_copy_is_made_again(
    home: Path, batches: MicroBatches, control: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    close(batches)
    DAMAGES["garbage"](home / "hot.sqlite")
    with caplog.at_level(logging.ERROR):
        batches = reopened()
        run_all(batches)
    assert hot(batches).equals(hot(control))
    assert str(home / "hot.sqlite") in caplog.text


@pytest.mark.parametrize(
    "said", [b"", b"\xff\xfe", b"http://host", b"redis://host:port/0", b"redis://[", b"garbage"]
)
def test_a_damaged_address_of_the_live_bus_is_its_trouble_alone(
    said: bytes, home_with_side_files: Path
) -> None:
    settings().live_bus_file.write_bytes(said)
    status = live_bus_status(settings())
    assert status is not None
    assert not status.is_up
    assert "energy-platform up" in status.trouble
    assert str(settings().live_bus_file) in status.trouble
    with pytest.raises(LiveBusUnavailableError):
        open_live_bus(settings()).figures()
    assert feed_statuses(StatePlace(home_with_side_files))[EXAMPLE.name].state == "running"


def database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE run (id TEXT)")
        connection.executemany("INSERT INTO run VALUES (?)", [("x" * 500,)] * 100)
    return path


@pytest.mark.parametrize("damage", ["torn", "garbage"])
def test_a_damaged_database_of_dagster_is_set_aside_before_a_start(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = database(tmp_path / "a #1 %?" / "runs.db")
    set_aside_if_damaged(file)
    assert file.exists()
    assert damage_of(file) == ""
    DAMAGES[damage](file)
    assert damage_of(file)
    with caplog.at_level(logging.ERROR):
        set_aside_if_damaged(file)
    assert not file.exists()
    assert len(list(file.parent.glob("runs.db.damaged-*"))) == 1
    assert str(file) in caplog.text


CURSORS = [
    "", "{", "\0", "[]", "{}", "null", "3", '"text"', "[1, 2]", '{"a": 1}', '{"a": {"b": []}}',
    '{"a": ["b"]}', '{"reached": "x", "marks": 5}', '{"landed": 5, "waiting": []}',
    '{"landed": ["x"], "waiting": 3}',
]  # fmt: skip


def ledger(cursor: str | None) -> Ledger:
    session = SimpleNamespace(source_name=EXAMPLE.name, cursor=cursor)
    return Ledger(cast("Any", session), remembered=3)


READERS: dict[str, Callable[[str | None], object]] = {
    "polling": Progress.from_cursor,
    "FTP": FtpCursor.read,
    "queue": lambda cursor: Fingerprints.load(cursor, capacity=3),
    "WebSocket": _numbers,
}


@pytest.mark.parametrize("cursor", CURSORS)
@pytest.mark.parametrize("kind", READERS)
def test_a_feed_begins_anew_with_a_cursor_that_it_can_not_read(kind: str, cursor: str) -> None:
    assert type(read_or_begin_anew(EXAMPLE.name, cursor, READERS[kind])) is type(
        READERS[kind](None)
    )


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_ledger_begins_anew_with_a_cursor_that_it_can_not_read(cursor: str) -> None:
    assert ledger(cursor).waiting == {}


def test_a_cursor_that_is_lost_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert read_or_begin_anew(EXAMPLE.name, "{", FtpCursor.read) == FtpCursor()
    assert EXAMPLE.name in caplog.text
    assert "begins anew" in caplog.text


def test_what_is_stored_is_not_touched(home_with_side_files: Path, control: MicroBatches) -> None:
    for file in side_files(home_with_side_files):
        DAMAGES["garbage"](file)
    assert stored(reopened()).equals(stored(control))
