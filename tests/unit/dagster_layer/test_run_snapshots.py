"""The snapshots of runs that are gone go too; those of runs that are kept stay whole."""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    Definitions,
    asset,
    define_asset_job,
)
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.runs.schema import SnapshotsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import func, select

from energy_platform.operations.supervision.plan import PROJECT
from resources import fewer_statements
from sensors import run_snapshots
from sensors.run_snapshots import MOST_SNAPSHOTS, forget_snapshots

NAMES = ("first", "second")
SELECTIONS = (["first"], ["second"], ["first", "second"])


@pytest.fixture(params=["sqlite", "postgres"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    if request.param == "postgres":
        request.getfixturevalue("state_url")
    monkeypatch.setattr(run_snapshots, "NEWEST_SNAPSHOTS", 0)
    monkeypatch.setenv("ENERGY_PLATFORM_DAGSTER_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def some_assets() -> list[AssetsDefinition]:
    def made(name: str) -> AssetsDefinition:
        @asset(name=name)
        def nothing() -> None:
            """Store nothing."""

        return nothing

    return [made(name) for name in NAMES]


def run_of(instance: DagsterInstance, selection: list[str]) -> str:
    """Run some of a job's assets, as the sensor of a market group asks; return the run."""
    assets = some_assets()
    job = define_asset_job("micro_batch", selection=AssetSelection.assets(*assets))
    known = Definitions(assets=assets, jobs=[job])
    return (
        known.resolve_job_def(job.name)
        .execute_in_process(
            instance=instance, asset_selection=[AssetKey(name) for name in selection]
        )
        .run_id
    )


def count(instance: DagsterInstance) -> int:
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    with storage.connect() as connection:
        number = connection.execute(select(func.count()).select_from(SnapshotsTable)).scalar_one()
    return int(number)


def assert_whole(instance: DagsterInstance, run_id: str) -> None:
    """Hold that a run can still be shown: with its job, the job it is a part of, and its plan."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.job_snapshot_id is not None
    assert run.execution_plan_snapshot_id is not None
    assert instance.get_historical_job(run.job_snapshot_id).parent_job_snapshot is not None
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    assert plan.steps


def test_what_no_run_needs_is_deleted(instance: DagsterInstance) -> None:
    run_ids = [run_of(instance, selection) for selection in SELECTIONS]
    before = count(instance)
    assert before == 3 * len(SELECTIONS), "a job, what it is a part of, and a plan of each"
    assert forget_snapshots(instance, most=0) == 0, "every run is kept"
    for run_id in run_ids[:-1]:
        instance.delete_run(run_id)
    assert count(instance) == before, "Dagster itself keeps them"
    assert forget_snapshots(instance, most=0) == 3 * (len(SELECTIONS) - 1)
    assert count(instance) == 3
    assert_whole(instance, run_ids[-1])
    assert_whole(instance, run_of(instance, SELECTIONS[0]))


def test_few_snapshots_stay(instance: DagsterInstance) -> None:
    instance.delete_run(run_of(instance, SELECTIONS[0]))
    before = count(instance)
    assert forget_snapshots(instance) == 0
    assert forget_snapshots(instance, most=before) == 0
    assert count(instance) == before < MOST_SNAPSHOTS


def test_the_newest_stay_since_their_runs_may_be_on_their_way(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.delete_run(run_of(instance, SELECTIONS[0]))
    monkeypatch.setattr(run_snapshots, "NEWEST_SNAPSHOTS", 2)
    before = count(instance)
    assert forget_snapshots(instance, most=0) == before - 2


def forget_first(
    method: str, instance: DagsterInstance, *, most: int
) -> "mock._patch[Callable[..., object]]":
    """Let all snapshots that no run needs be deleted just before a run's storage is asked."""
    storage = type(instance.run_storage)
    asked = getattr(storage, method)

    def interrupted(self: RunStorage, argument: object) -> object:
        forget_snapshots(instance, most=most)
        return asked(self, argument)

    return mock.patch.object(storage, method, interrupted)


@pytest.mark.parametrize("method", ["has_execution_plan_snapshot", "add_run"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_run_that_comes_back_while_snapshots_are_deleted_is_whole(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, selection: list[str], method: str
) -> None:
    for module in (run_snapshots, fewer_statements):
        monkeypatch.setattr(module, "NEWEST_SNAPSHOTS", 6)
    for one in SELECTIONS:
        instance.delete_run(run_of(instance, one))
    before = count(instance)
    with forget_first(method, instance, most=0):
        run_id = run_of(instance, selection)
    assert_whole(instance, run_id)
    assert count(instance) < before, "nothing was deleted meanwhile"
