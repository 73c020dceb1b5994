"""What is broken of one source, or in one side file, costs nobody else a status, alert or batch."""

import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from polars.exceptions import PanicException
from prometheus_client import generate_latest

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.ingest.backfill import BackfillRecord, BackfillWindow
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.simulated_market import ADDRESSES_NAME, CLOCK_NAME
from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.marts.changes import Progress, are_behind, find_changes
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.operations.status import SourceState, SourceStatus, source_statuses
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches, open_micro_batches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import StatePlace, settings
from tests.support.environment import forget_cached
from tests.support.platform_state import PROCESSES
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import land, run_all

pytestmark = pytest.mark.usefixtures("example_known")

GARBAGE = b"\0this is nothing that anybody wrote\xff" * 500


def statuses(batches: MicroBatches) -> dict[str, SourceStatus]:
    return {one.name: one for one in source_statuses(settings(), batches)}


def use_batch_history(home: Path) -> None:
    BatchHistory(StatePlace(home)).add_failure(EXAMPLE.name, ValueError("once"))


def use_alerts(home: Path) -> None:
    AlertBook(StatePlace(home)).add_failed_run("run", "job", datetime.now(UTC), "error")


def use_provider_limits(home: Path) -> None:
    ProviderLimits(StatePlace(home)).ban(EXAMPLE.provider, 1.0)


def use_backfill_record(home: Path) -> None:
    BackfillRecord(StatePlace(home)).finish(
        BackfillWindow(source=EXAMPLE, start=NOON, end=NOON.replace(hour=18))
    )


def use_marts_progress(home: Path) -> None:
    Progress(settings()).note(next(iter(marts().values())), {})


def use_hot_store(home: Path) -> None:
    batches = open_micro_batches(settings())
    land(batches, [example_message([("CZ", 0, 1.0)])])
    run_all(batches)


SIDE_FILES: dict[str, Callable[[Path], None]] = {
    "alerts.sqlite": use_alerts,
    "batch_history.sqlite": use_batch_history,
    "provider_limits.sqlite": use_provider_limits,
    "record.sqlite": use_backfill_record,
    "progress.sqlite": use_marts_progress,
    "hot.sqlite": use_hot_store,
}
"""Each SQLite file of a home, and what writes it."""


def test_every_sqlite_file_of_the_library_is_tried_here() -> None:
    named = {
        name
        for module in (PROJECT / "energy_platform").rglob("*.py")
        for name in re.findall(r'"(?:\w+/)?(\w+\.sqlite)"', module.read_text())
    }
    # What SOAP feeds keep of WSDLs is zeep's file; its own tests damage it. The feeds' status is in
    # tables of a database alone: a machine by itself has `run/feeds.json`.
    assert named - {"wsdl.sqlite", "feeds.sqlite"} == SIDE_FILES.keys()


@pytest.mark.parametrize("name", SIDE_FILES)
def test_a_damaged_side_file_is_set_aside_and_fails_nobody(
    name: str, home: Path, platform_batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    SIDE_FILES[name](home)
    [file] = home.rglob(name)
    for part in file.parent.glob(f"{name}-*"):
        part.unlink()
    file.write_bytes(GARBAGE)
    platform_batches.hot_store.close()
    with caplog.at_level(logging.ERROR):
        assert statuses(platform_batches)[EXAMPLE.name].state is not SourceState.UNKNOWN
        look(settings(), platform_batches)
        SIDE_FILES[name](home)
    [kept] = file.parent.glob(f"{name}.damaged-*")
    assert kept.read_bytes() == GARBAGE
    [line] = [one.getMessage() for one in caplog.records if kept.name in one.getMessage()]
    assert str(file) in line


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", GARBAGE, b'{"example_price": 3, "smard_price": {"state": "odd"}}']
)
def test_a_damaged_status_of_the_feeds_fails_nobody(
    text: bytes, home: Path, platform_batches: MicroBatches
) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "feeds.json").write_bytes(text)
    assert {one.state for one in statuses(platform_batches).values()} == {SourceState.WAITING}


def test_one_feeds_damaged_status_leaves_the_others(
    home: Path, platform_batches: MicroBatches
) -> None:
    (home / "run").mkdir(parents=True)
    (home / "run" / "feeds.json").write_text(
        '{"example_price": {"state": "running", "new": 1, "failures": "many"},'
        ' "smard_price": {"state": "backing off", "detail": "no route"}}'
    )
    said = statuses(platform_batches)
    assert said[EXAMPLE.name].state is SourceState.WAITING
    assert said["smard_price"].state is SourceState.BACKING_OFF
    assert said["smard_price"].detail == "no route"


@pytest.mark.parametrize("name", [CLOCK_NAME, ADDRESSES_NAME])
def test_a_damaged_file_of_the_simulator_fails_nobody(
    name: str, platform_batches: MicroBatches
) -> None:
    folder = settings().simulator_folder
    folder.mkdir(parents=True)
    (folder / name).write_bytes(GARBAGE)
    assert {one.state for one in statuses(platform_batches).values()} == {SourceState.WAITING}


def break_table(home: Path, name: str) -> None:
    log = home / "warehouse" / name / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{0:020}.json").write_bytes(GARBAGE)


def test_each_sources_unreadable_table_is_its_own(
    home: Path, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_BRIEF", conditions._BRIEF * 0)
    broken: set[str] = set()
    for number, source in enumerate(market_sources().values()):
        table = (market_table, quarantine_table)[number % 2](source)
        break_table(home, table.name)
        broken.add(source.name)
        said = statuses(platform_batches)
        assert {name for name, one in said.items() if one.state is SourceState.UNKNOWN} == broken
        assert said[source.name].detail
        assert said[source.name].rows is None
    incidents, _ = look(settings(), platform_batches)
    assert {one.key for one in incidents} == {f"unknown:{name}" for name in broken}


def test_metrics_of_an_unknown_source_are_left_out_beside_the_others(
    home: Path, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    run_all(platform_batches)
    break_table(home, market_table(market_sources()["smard_price"]).name)
    registry = PlatformMetrics(lambda: [*statuses(platform_batches).values()], lambda: PROCESSES)
    told = generate_latest(registry.registry()).decode()
    assert re.search(r'source_unknown\{[^}]*source="smard_price"\} 1\.0', told)
    assert re.search(r'source_rows\{[^}]*source="example_price"\} 1\.0', told)
    assert not re.search(r'source_(rows|late|backlog_messages)\{[^}]*"smard_price"', told)


def test_metrics_of_processes_are_told_while_the_warehouse_is_away() -> None:
    def away() -> list[SourceStatus]:
        raise WarehouseUnavailableError("no route")

    told = generate_latest(PlatformMetrics(away, lambda: PROCESSES).registry()).decode()
    assert 'process_up{process="collector"} 1.0' in told


@pytest.mark.parametrize("error", [OSError("torn"), PanicException("at the page"), KeyError("x")])
def test_whatever_a_source_raises_is_its_state(
    error: BaseException, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = platform_batches.landing.log

    def torn(name: str) -> object:
        if name == EXAMPLE.name:
            raise error
        return log(name)

    monkeypatch.setattr(platform_batches.landing, "log", torn)
    said = statuses(platform_batches)
    assert said[EXAMPLE.name].state is SourceState.UNKNOWN
    assert said[EXAMPLE.name].detail.startswith(type(error).__name__)
    assert said["smard_price"].state is SourceState.WAITING


def test_a_damaged_note_of_the_layout_is_learned_anew(
    home: Path, platform_batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    run_all(platform_batches)
    [note] = (home / "landing" / "_notes").rglob("*.json")
    note.write_bytes(GARBAGE)
    with caplog.at_level(logging.ERROR):
        for quarter, drift in ((1, ()), (2, ()), (3, ("new field `odd` (number)",))):
            body = f'[{{"zone": "CZ", "quarter": {quarter}, "price": 2.0}}]'.encode()
            if drift:
                body = body.replace(b"}", b', "odd": 1}')
            land(platform_batches, [replace(example_message(body), received_at=NOON)])
            [report] = run_all(platform_batches)
            assert report.drift == drift
    assert note.read_bytes() == GARBAGE
    assert len([one for one in caplog.records if "damaged" in one.getMessage()]) == 1


def test_marts_whose_sources_can_be_read_are_made(
    home: Path, platform_batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse, progress = platform_batches.warehouse, Progress(settings())
    assert are_behind(warehouse, progress)
    for broken in sorted({source for mart in marts().values() for source in mart.upstream})[:6]:
        break_table(home, market_table(market_sources()[broken]).name)
        forget_cached()
        warehouse = micro_batches().warehouse
        unmade = {name for name, mart in marts().items() if broken in mart.upstream}
        assert unmade
        made = {each.mart.name for each in find_changes(warehouse, progress, marts().values())}
        assert made == marts().keys() - unmade
        assert are_behind(warehouse, progress) == bool(made)
        assert all(f"{name} is left as it is" in caplog.text for name in unmade)
        shutil.rmtree(home / "warehouse" / market_table(market_sources()[broken]).name)


def test_tables_that_can_be_read_are_maintained(
    home: Path, platform_batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    for quarter in range(2):
        land(platform_batches, [example_message([("CZ", quarter, 1.0)])])
        run_all(platform_batches)
    smard = market_table(market_sources()["smard_price"])
    break_table(home, smard.name)
    log = home / "warehouse" / market_table(EXAMPLE).name / "_delta_log"
    assert not list(log.glob("*.checkpoint.parquet"))
    platform_batches.warehouse.maintain([smard, market_table(EXAMPLE)])
    assert list(log.glob("*.checkpoint.parquet"))
    assert f"{smard.name} can't be maintained" in caplog.text
