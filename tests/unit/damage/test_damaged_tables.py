"""A torn newest commit mends itself; whatever else is damaged of a table, a replay makes again."""

import json
import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import DeltaTable

from energy_platform.errors import DamagedTableError
from energy_platform.operations.status import SourceState
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import settings
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Position
from tests.support.damage import DAMAGES, EACH_DAMAGE
from tests.support.sources import EXAMPLE
from tests.support.stores import hot, run_all, stored
from tests.unit.damage.filled_home import (
    APPENDS,
    EACH,
    MESSAGES,
    assert_next_is_stored,
    assert_others_go_on,
    assert_tables_are,
    commits,
    data_files,
    reopened,
    status_of,
)

TABLE, QUARANTINE = market_table(EXAMPLE), quarantine_table(EXAMPLE)
NAMES = [TABLE.name, QUARANTINE.name]


def cut_between_lines(commit: Path) -> None:
    """Take the last action from a commit: what is left can be read."""
    commit.write_bytes(b"\n".join(commit.read_bytes().splitlines()[:-1]))


def cut_an_added_file(commit: Path) -> None:
    lines = commit.read_bytes().splitlines()
    commit.write_bytes(b"\n".join(line for line in lines if "add" not in json.loads(line)))


TORN: dict[str, Callable[[Path], None]] = {
    **{name: damage for name, damage in DAMAGES.items() if name != "flipped"},
    "cut between lines": cut_between_lines,
    "cut an added file": cut_an_added_file,
}
"""A flipped bit in a commit may be in a name, which is then the name of a missing file."""
SEVERAL = [
    pytest.param(name, marks=pytest.mark.nightly) if name in {"empty", "garbage"} else name
    for name in TORN
]


@pytest.mark.parametrize("process", ["warm", "new"])
@pytest.mark.parametrize("damage", TORN)
def test_a_torn_newest_commit_is_undone_and_its_rows_are_made_again(
    damage: str,
    process: str,
    batches: MicroBatches,
    control: MicroBatches,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_all(batches)
    newest = commits(settings().home, TABLE.name)[-1]
    TORN[damage](newest)
    batches = batches if process == "warm" else reopened()
    with caplog.at_level(logging.ERROR):
        assert_others_go_on(batches)
        assert status_of(batches, EXAMPLE).state is not SourceState.UNKNOWN
        assert batches.is_behind(EXAMPLE)
        run_all(batches)
    assert_tables_are(batches, control)
    assert_tables_are(reopened(), control)
    if damage != "missing":
        [kept] = newest.parent.glob("*.damaged-*")
        assert kept.name.startswith(newest.name)
        said = [one.getMessage() for one in caplog.records if str(kept) in one.getMessage()]
        assert len(said) == 1
        assert TABLE.name in said[0]
    assert_next_is_stored(reopened())


@pytest.mark.parametrize("damage", ["torn", "empty", "missing"])
def test_a_newest_commit_whose_rows_are_not_whole_is_undone(
    damage: str, home: Path, batches: MicroBatches, control: MicroBatches
) -> None:
    """So it is after a power cut between the writing of a file and its way to the disk."""
    del batches
    DAMAGES[damage](data_files(home, TABLE.name)[-1])
    anew = reopened()
    assert_others_go_on(anew)
    run_all(anew)
    assert_tables_are(anew, control)


def test_several_torn_commits_are_undone(home: Path, control: MicroBatches) -> None:
    for commit in commits(home, TABLE.name)[-2:]:
        DAMAGES["torn"](commit)
    batches = reopened()
    assert batches.warehouse.position(TABLE) == Position(offset=MESSAGES - 2 * EACH)
    run_all(batches)
    assert_tables_are(batches, control)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", SEVERAL)
def test_an_older_commit_that_is_damaged_is_said_and_a_replay_makes_the_table_anew(
    damage: str, name: str, home: Path, batches: MicroBatches, control: MicroBatches
) -> None:
    del batches
    TORN[damage](commits(home, name)[0])
    batches = reopened()
    assert_others_go_on(batches)
    said = status_of(batches, EXAMPLE)
    if said.state is SourceState.UNKNOWN:
        assert str(home / "warehouse" / name) in said.detail
        assert f"energy-platform replay {EXAMPLE.name}" in said.detail
        with pytest.raises(DamagedTableError):
            batches.warehouse.position(TABLE if name == TABLE.name else QUARANTINE)
    replay(batches, EXAMPLE, start=0)
    assert_tables_are(batches, control)
    assert_tables_are(reopened(), control)
    assert_next_is_stored(reopened())


@pytest.mark.parametrize("damage", ["torn", "empty", "missing", "garbage"])
def test_a_damaged_checkpoint_is_said_and_a_replay_makes_the_table_anew(
    damage: str, home: Path, batches: MicroBatches, control: MicroBatches
) -> None:
    DeltaTable(home / "warehouse" / TABLE.name).create_checkpoint()
    [checkpoint] = (home / "warehouse" / TABLE.name / "_delta_log").glob("*.checkpoint.parquet")
    DAMAGES[damage](checkpoint)
    for commit in commits(home, TABLE.name)[:-1]:
        commit.unlink()
    batches = reopened()
    assert_others_go_on(batches)
    replay(batches, EXAMPLE, start=0)
    assert_tables_are(reopened(), control)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", EACH_DAMAGE)
@pytest.mark.parametrize("place", [0, -1])
def test_a_replay_makes_the_rows_of_a_damaged_file_again(
    place: int, damage: str, name: str, home: Path, control: MicroBatches
) -> None:
    DAMAGES[damage](data_files(home, name)[place])
    batches = reopened()
    assert_others_go_on(batches)
    assert status_of(batches, EXAMPLE).state is not SourceState.UNKNOWN
    replay(batches, EXAMPLE, start=0)
    run_all(batches)
    assert_tables_are(batches, control)
    assert_tables_are(reopened(), control)
    assert_next_is_stored(reopened())


def test_a_batch_names_the_file_that_it_can_not_read(home: Path) -> None:
    file = data_files(home, TABLE.name)[0]
    DAMAGES["missing"](file)
    batches = reopened()
    with pytest.raises(DamagedTableError) as raised, batches.damage_named(EXAMPLE):
        stored(batches)
    for said in (EXAMPLE.name, str(file), f"energy-platform replay {EXAMPLE.name}"):
        assert said in str(raised.value)


def test_a_replay_that_dies_over_damage_is_continued(
    home: Path, control: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a file that was set aside are known to be missing."""
    DAMAGES["torn"](data_files(home, TABLE.name)[1])
    batches = reopened()
    drop = DeltaWarehouse.drop_damage

    class KilledError(BaseException):
        pass

    def killed(self: DeltaWarehouse, table: object) -> None:
        drop(self, table)  # type: ignore[arg-type]
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(DeltaWarehouse, "drop_damage", killed)
        with pytest.raises(KilledError):
            replay(batches, EXAMPLE, start=0)
    again = reopened()
    assert again.warehouse.position(TABLE).stale_from is not None
    replay(again, EXAMPLE, start=MESSAGES)
    assert_tables_are(again, control)


def test_of_those_that_find_a_torn_commit_at_once_one_sets_it_aside(home: Path) -> None:
    newest = commits(home, TABLE.name)[-1]
    DAMAGES["torn"](newest)
    stores = [DeltaWarehouse(home / "warehouse") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda store: store.position(TABLE).offset, stores))
    assert found == [MESSAGES - EACH] * 4
    assert len(list(newest.parent.glob("*.damaged-*"))) == 1


def position(root: str) -> None:
    assert DeltaWarehouse(Path(root)).position(TABLE).offset == MESSAGES - EACH


@pytest.mark.nightly
def test_processes_that_find_a_torn_commit_at_once_set_it_aside_once(home: Path) -> None:
    newest = commits(home, TABLE.name)[-1]
    DAMAGES["torn"](newest)
    context = multiprocessing.get_context("spawn")
    found = [context.Process(target=position, args=(str(home / "warehouse"),)) for _ in range(2)]
    for process in found:
        process.start()
    for process in found:
        process.join(60)
    assert [process.exitcode for process in found] == [0, 0]
    assert len(list(newest.parent.glob("*.damaged-*"))) == 1


def test_of_those_that_begin_a_table_anew_at_once_one_does(home: Path) -> None:
    DAMAGES["garbage"](commits(home, TABLE.name)[0])
    stores = [DeltaWarehouse(home / "warehouse") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda store: store.drop_damage(TABLE), stores))
    assert len(list((home / "warehouse").glob(f"{TABLE.name}.damaged-*"))) == 1
    positions = {store.position(TABLE) for store in stores}
    assert len(positions) == 1
    [anew] = positions
    assert anew.offset == 0
    assert anew.replacements > 0, "nobody goes on with what he remembers"


def test_maintenance_and_bounds_go_on_beside_a_damaged_table(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES["garbage"](commits(home, TABLE.name)[0])
    warehouse = reopened().warehouse
    assert isinstance(warehouse, DeltaWarehouse)
    assert warehouse.stored_bytes([TABLE, QUARANTINE]) > 0
    assert f"{TABLE.name}: " in caplog.text
    warehouse.maintain([TABLE, QUARANTINE])
    assert list((home / "warehouse" / QUARANTINE.name / "_delta_log").glob("*.checkpoint.parquet"))


def test_the_hot_copy_is_made_again_beside_all_this(home: Path, control: MicroBatches) -> None:
    for part in home.glob("hot.sqlite*"):
        part.unlink()
    DAMAGES["torn"](commits(home, TABLE.name)[-1])
    batches = reopened()
    run_all(batches)
    assert hot(batches).equals(hot(control))
    assert len(commits(home, TABLE.name)) == APPENDS + 1
