"""Old runs are forgotten with all that hangs on them; what an asset last said is not."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRunStatus,
    RunsFilter,
    materialize,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import func, select

from assets import market_assets
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import is_simulated_alone, open_micro_batches
from energy_platform.pipeline.tables import measurement
from energy_platform.settings import settings
from energy_platform.storage import sqlite_space
from resources import Platform
from resources.launcher import WarmCeleryRunLauncher
from resources.neighbours import hot_copy_key, landing_key
from resources.sqlite_storage import OpenEventLogStorage, OpenRunStorage, OpenScheduleStorage
from sensors import upkeep
from sensors.history_size import takes_more
from sensors.upkeep import (
    bound_history,
    forget_finished_runs,
    forget_reports,
    history_upkeep,
    landing_upkeep,
    table_upkeep,
)
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE, example_message, prices
from tests.support.stores import hot, land, run_all, stored

KEEP = timedelta(hours=1)
KEEP_FAILED = timedelta(hours=10)

pytestmark = pytest.mark.usefixtures("example_known")


BOTH = pytest.mark.parametrize("instance", ["sqlite", "postgres"], indirect=True)
"""Runs a test with Dagster's storage in SQLite files, and in a Postgres."""


@pytest.fixture
def instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[DagsterInstance]:
    """An instance of the platform's own `dagster.yaml`."""
    if getattr(request, "param", "sqlite") == "postgres":
        request.getfixturevalue("state_url")
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", folder)
    monkeypatch.setenv("ENERGY_PLATFORM_DAGSTER_STORAGE", str(folder / "storage"))
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", "redis://127.0.0.1:1/0")
    with DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def a_run(instance: DagsterInstance) -> str:
    """Materialize the example's next batch; return the run."""
    result = materialize(
        market_assets([EXAMPLE]),
        selection=[EXAMPLE.name],
        resources={"platform": Platform()},
        instance=instance,
    )
    assert result.success
    return result.run_id


def mentions(instance: DagsterInstance, run_id: str) -> int:
    """Count the rows, of every table with a run's id, that speak of this run."""
    storages = (instance.run_storage, instance.event_log_storage)
    assert isinstance(storages[0], SqlRunStorage)
    assert isinstance(storages[1], SqlEventLogStorage)
    found = 0
    for known, lent in (
        (RunStorageSqlMetadata, storages[0].connect()),
        (SqlEventLogStorageMetadata, storages[1].index_connection()),
    ):
        with lent as connection:
            for table in known.tables.values():
                if "run_id" in table.columns:
                    of_it = select(func.count()).where(table.c["run_id"] == run_id)
                    found += connection.execute(of_it).scalar_one()
    return found


def forgotten(instance: DagsterInstance, now: datetime) -> int:
    return forget_finished_runs(instance, now=now, keep=KEEP, keep_failed=KEEP_FAILED)


def later(**by: float) -> datetime:
    return datetime.now(UTC) + timedelta(**by)


@BOTH
def test_old_runs_are_gone_with_their_events_and_check_results(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    old = [a_run(instance) for _ in range(2)]
    newest = a_run(instance)
    assert all(mentions(instance, run_id) > 10 for run_id in old)
    assert forgotten(instance, later(hours=2)) == 2
    assert [mentions(instance, run_id) for run_id in old] == [0, 0]
    assert instance.get_run_by_id(newest) is not None
    event = instance.get_latest_materialization_event(AssetKey(EXAMPLE.name))
    assert event is not None
    assert event.run_id == newest
    # However old it becomes: a market that speaks once a day must not look silent.
    assert forgotten(instance, later(days=100)) == 0


def test_young_runs_and_unfinished_ones_stay(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    for _ in range(2):
        a_run(instance)
    assert forgotten(instance, later(minutes=59)) == 0
    create_run_for_test(instance, job_name="old", status=DagsterRunStatus.STARTED)
    assert forgotten(instance, later(days=100)) == 1
    assert instance.get_runs_count() == 2


def test_failed_runs_stay_as_long_as_is_wanted(instance: DagsterInstance) -> None:
    for status in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED):
        create_run_for_test(instance, job_name="old", status=status)
    assert forgotten(instance, later(hours=9)) == 0
    assert forgotten(instance, later(hours=11)) == 2


def test_the_instance_is_what_its_file_says(instance: DagsterInstance) -> None:
    assert isinstance(instance.run_launcher, WarmCeleryRunLauncher)
    assert isinstance(instance.event_log_storage, OpenEventLogStorage)
    assert isinstance(instance.run_storage, OpenRunStorage)
    assert isinstance(instance.schedule_storage, OpenScheduleStorage)
    sensors = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert sensors[TickStatus.SKIPPED] == sensors[TickStatus.SUCCESS] == 1
    assert sensors[TickStatus.FAILURE] == 7
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_poll_interval_seconds == 2


def test_tables_are_maintained_and_hot_points_expire(
    instance: DagsterInstance,
    home: Path,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note = home / "landing_is_simulated"
    note.unlink()
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    run_all(platform_batches)
    assert prices(hot(platform_batches)) == [1.0]
    monkeypatch.setenv("ENERGY_PLATFORM_HOT_DAYS", "1")
    forget_cached()
    result = table_upkeep.execute_in_process(instance=instance, resources={"platform": Platform()})
    assert result.success
    assert hot(platform_batches).is_empty()
    assert platform_batches.hot_store.committed_offset(measurement(EXAMPLE)) == 1
    assert prices(stored(platform_batches)) == [1.0], "rows of real markets stay"
    note.touch()
    assert table_upkeep.execute_in_process(
        instance=instance, resources={"platform": Platform()}
    ).success
    assert prices(stored(platform_batches)) == [], "old rows of simulated markets go"


def reports(instance: DagsterInstance, key: AssetKey) -> list[float]:
    """Return when the reports of an asset were made."""
    found = instance.fetch_materializations(key, limit=100).records
    return [record.timestamp for record in found]


@BOTH
def test_old_reports_are_forgotten_but_the_newest_of_each_asset(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    landing, hot_copy = landing_key(EXAMPLE), hot_copy_key(EXAMPLE)
    for key in (landing, landing, landing, hot_copy):
        instance.report_runless_asset_event(AssetMaterialization(key))
    run_id = a_run(instance)
    newest = reports(instance, landing)[0]
    assert forget_reports(instance, before=later(hours=-1)) == 0
    assert forget_reports(instance, before=later(hours=1)) == 2
    assert reports(instance, landing) == [newest]
    assert len(reports(instance, hot_copy)) == 1
    assert instance.get_latest_materialization_event(AssetKey(EXAMPLE.name)) is not None
    assert instance.get_run_by_id(run_id) is not None


def test_how_long_runs_are_kept_is_a_setting(
    instance: DagsterInstance, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        a_run(instance)
    create_run_for_test(instance, job_name="old", status=DagsterRunStatus.FAILURE)
    instance.report_runless_asset_event(AssetMaterialization(landing_key(EXAMPLE)))
    instance.report_runless_asset_event(AssetMaterialization(landing_key(EXAMPLE)))

    def runs_after_upkeep() -> int:
        forget_cached()
        assert history_upkeep.execute_in_process(instance=instance).success
        return instance.get_runs_count(RunsFilter(job_name="old")) * 10 + len(
            reports(instance, landing_key(EXAMPLE))
        )

    assert runs_after_upkeep() == 12
    monkeypatch.setenv("ENERGY_PLATFORM_RUNS_KEPT_HOURS", "0.0000001")
    assert runs_after_upkeep() == 11
    monkeypatch.setenv("ENERGY_PLATFORM_FAILED_RUNS_KEPT_HOURS", "0.0000001")
    assert runs_after_upkeep() == 1


def database_bytes(tmp_path: Path) -> int:
    return sum(file.stat().st_size for file in (tmp_path / "dagster").rglob("*.db"))


def test_dagsters_databases_shrink_when_runs_are_forgotten(
    instance: DagsterInstance,
    tmp_path: Path,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_space, "KEPT_FREE_BYTES", 0)
    padding = {"padding": "x" * 200_000}
    for number in range(20):
        create_run_for_test(
            instance,
            job_name="old",
            status=DagsterRunStatus.SUCCESS,
            tags=padding | {"n": str(number)},
        )
    before = database_bytes(tmp_path)
    assert before > 4_000_000
    assert bound_history(instance, keep=KEEP, keep_failed=KEEP) == (0, 0), "all of it is young"
    assert database_bytes(tmp_path) >= before - 1_000_000
    bounded = bound_history(instance, keep=KEEP, keep_failed=KEEP, most_bytes=1_000)
    assert bounded == (0, 0), "what is younger than minutes stays, whatever it takes"
    monkeypatch.setattr(upkeep, "_LEAST_KEPT", timedelta(microseconds=1))
    forgotten_runs, _ = bound_history(instance, keep=KEEP, keep_failed=KEEP, most_bytes=1_500_000)
    # The youngest few may stay: as many as are younger than what is kept once the bound holds.
    assert forgotten_runs > 20 / 2
    assert database_bytes(tmp_path) < before / 2


@BOTH
def test_ever_younger_runs_are_forgotten_while_they_take_too_much(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LEAST_KEPT", timedelta(microseconds=1))
    for number in range(8):
        # Nothing that is compressed: each is as large in the database. Postgres has a tag's value
        # in an index, whose rows take 8 kB at most.
        chance = random.Random(number)
        padding = {f"padding {part}": chance.randbytes(1_200).hex() for part in range(50)}
        create_run_for_test(instance, status=DagsterRunStatus.SUCCESS, tags=padding)
    assert takes_more(instance, 900_000)
    assert bound_history(instance, keep=KEEP, keep_failed=KEEP) == (0, 0), "it is not too much"
    runs, _ = bound_history(instance, keep=KEEP, keep_failed=KEEP, most_bytes=400_000)
    assert runs >= 5
    assert not takes_more(instance, 400_000)


@pytest.mark.parametrize(("opened_by", "left"), [("simulated", 2), ("live", 3)])
def test_messages_are_forgotten_only_where_all_of_them_are_simulated(
    instance: DagsterInstance,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened_by: str,
    left: int,
) -> None:
    batches = open_micro_batches(settings())
    for number in range(3):
        long_ago = datetime(2020, 1, 1 + number, tzinfo=UTC)
        land(batches, [replace(example_message([("CZ", number, 1.0)]), received_at=long_ago)])
    run_all(batches)
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", opened_by)
    forget_cached()
    open_micro_batches(settings())
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", "simulated")
    forget_cached()
    resources = {"platform": Platform()}
    assert landing_upkeep.execute_in_process(instance=instance, resources=resources).success
    assert len(list((home / "landing" / EXAMPLE.name).rglob("*.arrow"))) == left


def test_segments_are_merged_on_real_markets_too(
    instance: DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", "live")
    forget_cached()
    batches = open_micro_batches(settings())
    for _ in range(3):
        land(batches, [example_message([("CZ", 0, 1.0)])] * 400)
    resources = {"platform": Platform()}
    assert landing_upkeep.execute_in_process(instance=instance, resources=resources).success
    names = sorted(file.stem for file in (home / "landing" / EXAMPLE.name).rglob("*.arrow"))
    assert len([name for name in names if "-" in name]) == 0, "the newest folder is not complete"
    land(batches, [example_message([("CZ", 0, 1.0)])])
    assert landing_upkeep.execute_in_process(instance=instance, resources=resources).success
    names = [file.stem for file in (home / "landing" / EXAMPLE.name).rglob("*.arrow")]
    assert f"{0:020}-{1200:020}" in names
    assert len(batches.landing.log(EXAMPLE.name).read(0, 1201)) == 1201


def test_what_a_killed_replay_staged_is_removed_after_two_days(
    instance: DagsterInstance, home: Path
) -> None:
    staging = open_micro_batches(settings()).landing.staging
    for source, hours in (("nord_pool_intraday_trade", 47), ("smard_price", 49)):
        staging.write(f"{source}/PLAN/plan.json", b"{}")
        staging.write(f"{source}/PLAN/{0:020}.messages.parquet", b"")
        written = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
        os.utime(home / "landing" / "_replay" / source / "PLAN" / "plan.json", (written, written))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    for file in (home / "landing" / "_replay").rglob("*.parquet"):
        os.utime(file, (long_ago, long_ago))
    resources = {"platform": Platform()}
    assert landing_upkeep.execute_in_process(instance=instance, resources=resources).success
    assert {path.partition("/")[0] for path in staging.sizes()} == {"nord_pool_intraday_trade"}
    assert len(staging.sizes()) == 2, "all of a replay that may go on stays"


def test_a_home_that_real_markets_filled_is_not_taken_for_a_simulated_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", "live")
    forget_cached()
    land(open_micro_batches(settings()), [example_message([("CZ", 0, 1.0)])])
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", "simulated")
    forget_cached()
    open_micro_batches(settings())
    assert not is_simulated_alone(settings())
