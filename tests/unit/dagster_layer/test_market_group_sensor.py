"""A group's sensor asks for runs over what is behind, and never for one source twice at once."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SkipReason,
    build_sensor_context,
    materialize,
)
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from assets.market import market_assets
from energy_platform.errors import WarehouseUnavailableError
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import settings
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from resources import Platform, sensor_pace
from resources.launcher import WarmCeleryRunLauncher
from sensors import market_group_sensors
from sensors.market_group import UNFINISHED
from sensors.run_parts import run_parts
from tests.support.sources import EXAMPLE, example_message
from tests.support.stores import land, run_all

OTHER = replace(EXAMPLE, name="example_other")
WEATHER = replace(EXAMPLE, name="example_weather", group=MarketGroup.WEATHER)
JOB = "auctions_micro_batch"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def auctions() -> SensorDefinition:
    sensors = {one.name: one for one in market_group_sensors([EXAMPLE, OTHER, WEATHER])}
    assert set(sensors) == {"auctions_sensor", "weather_sensor"}
    return sensors["auctions_sensor"]


def ticked(sensor: SensorDefinition, instance: DagsterInstance) -> list[list[str]] | str:
    """Evaluate a sensor; return the sources of each run that it requests, or why there is none."""
    with build_sensor_context(instance=instance, resources={"platform": Platform()}) as context:
        answer = sensor(context)
    if isinstance(answer, SkipReason):
        assert answer.skip_message
        return answer.skip_message
    assert isinstance(answer, list)
    requests = [request for request in answer if isinstance(request, RunRequest)]
    return [[key.path[0] for key in request.asset_selection or ()] for request in requests]


def tick(sensor: SensorDefinition, instance: DagsterInstance) -> list[str] | str:
    """Evaluate a sensor that requests one run; return its sources, or why there is none."""
    told = ticked(sensor, instance)
    if isinstance(told, str):
        return told
    [sources] = told
    return sources


def asked_for(told: list[str] | str) -> list[AssetKey]:
    assert isinstance(told, list), told
    return [AssetKey(name) for name in told]


def test_a_sensor_is_on_from_the_start(auctions: SensorDefinition) -> None:
    assert auctions.default_status is DefaultSensorStatus.RUNNING
    assert auctions.job_name == JOB


def test_nothing_new_starts_nothing(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    assert tick(auctions, instance) == "nothing new has landed"
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    run_all(platform_batches)
    assert tick(auctions, instance) == "nothing new has landed"


def test_one_run_takes_the_sources_that_are_behind(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    message = example_message([("CZ", 0, 1.0)])
    land(platform_batches, [message], source=WEATHER)
    assert tick(auctions, instance) == "nothing new has landed"
    land(platform_batches, [message], source=OTHER)
    assert asked_for(tick(auctions, instance)) == [AssetKey(OTHER.name)]
    land(platform_batches, [message])
    assert asked_for(tick(auctions, instance)) == [AssetKey(EXAMPLE.name), AssetKey(OTHER.name)]


@pytest.mark.parametrize("status", UNFINISHED)
def test_a_run_over_all_sources_leaves_the_rest_to_a_later_tick(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    status: DagsterRunStatus,
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    location = RegisteredCodeLocationOrigin("energy_platform")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JOB)
    create_run_for_test(instance, job_name=JOB, status=status, remote_job_origin=origin)
    assert tick(auctions, instance) == "all that may run of this group is under way"


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_lost_run_frees_its_group(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_lost: bool,
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    launcher = WarmCeleryRunLauncher(default_queue="dagster")
    monkeypatch.setattr(launcher, "has_lost", lambda _: is_lost)
    monkeypatch.setattr(DagsterInstance, "run_launcher", launcher)
    location = RegisteredCodeLocationOrigin("energy_platform")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), JOB)
    run = create_run_for_test(
        instance, job_name=JOB, status=DagsterRunStatus.STARTING, remote_job_origin=origin
    )
    told = tick(auctions, instance)
    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    if is_lost:
        assert asked_for(told) == [AssetKey(EXAMPLE.name)]
        assert after.status is DagsterRunStatus.FAILURE
    else:
        assert told == "all that may run of this group is under way"
        assert after.status is DagsterRunStatus.STARTING


def test_what_is_no_unfinished_run_of_the_group_holds_up_nothing(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    for status in set(DagsterRunStatus) - set(UNFINISHED) - {DagsterRunStatus.MANAGED}:
        create_run_for_test(instance, job_name=JOB, status=status)
    create_run_for_test(instance, job_name="weather_micro_batch", status=DagsterRunStatus.STARTED)
    assert asked_for(tick(auctions, instance)) == [AssetKey(EXAMPLE.name)]


def break_table(source: MarketSource) -> None:
    """Make a source's table unreadable."""
    log = settings().home / "warehouse" / market_table(source).name / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("torn")


@pytest.mark.parametrize("broken", [EXAMPLE, OTHER])
def test_a_source_that_cannot_be_read_is_left_out(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    broken: MarketSource,
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
    break_table(broken)
    [sound] = {EXAMPLE.name, OTHER.name} - {broken.name}
    assert asked_for(tick(auctions, instance)) == [AssetKey(sound)]


def test_while_the_warehouse_is_away_the_tick_says_so(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> int:
        raise WarehouseUnavailableError("no route")

    monkeypatch.setattr(DeltaWarehouse, "committed_offset", away)
    with pytest.raises(WarehouseUnavailableError, match="no route"):
        tick(auctions, instance)


def test_a_source_whose_batch_failed_waits_and_the_others_do_not(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
    Platform().history.add_failure(EXAMPLE.name, OSError("torn"))
    assert asked_for(tick(auctions, instance)) == [AssetKey(OTHER.name)]
    run_all(platform_batches, OTHER)
    assert tick(auctions, instance) == "nothing new has landed"
    [report] = run_all(platform_batches)
    Platform().history.add(report)
    land(platform_batches, [example_message([("CZ", 1, 1.0)])])
    assert asked_for(tick(auctions, instance)) == [AssetKey(EXAMPLE.name)]


def test_a_damaged_history_holds_up_nothing(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    (settings().home / "batch_history.sqlite").write_bytes(b"no database" * 1_000)
    assert asked_for(tick(auctions, instance)) == [AssetKey(EXAMPLE.name)]


def a_run(instance: DagsterInstance, job: str, *sources: MarketSource) -> DagsterRun:
    """Return a run over these sources that is under way."""
    run: DagsterRun = create_run_for_test(
        instance,
        job_name=job,
        status=DagsterRunStatus.STARTED,
        asset_selection=frozenset(AssetKey(source.name) for source in sources),
    )
    return run


@pytest.mark.parametrize("job", [JOB, "__ASSET_JOB"])
def test_a_source_that_a_run_has_is_in_no_second_one(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    job: str,
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
    run = a_run(instance, job, EXAMPLE)
    assert tick(auctions, instance) == [OTHER.name]
    instance.report_run_failed(run)
    assert tick(auctions, instance) == [EXAMPLE.name, OTHER.name]


def test_there_are_no_more_runs_than_workers(
    auctions: SensorDefinition,
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_WORKERS", "1")
    settings.cache_clear()
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    a_run(instance, JOB, OTHER)
    assert tick(auctions, instance) == "all that may run of this group is under way"


def test_a_group_that_takes_longer_than_a_look_is_split(
    auctions: SensorDefinition, instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
        [report] = run_all(platform_batches, source)
        Platform().history.add(replace(report, seconds=3.0))
        land(platform_batches, [example_message([("CZ", 1, 1.0)])], source=source)
    assert ticked(auctions, instance) == [[OTHER.name], [EXAMPLE.name]]


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 30), min_size=1),
    st.integers(1, 4),
)
def test_parts_hold_each_source_once_and_are_about_as_long(
    seconds: dict[str, float], most: int
) -> None:
    parts = run_parts(seconds, seconds, most=most)
    assert sorted(source for part in parts for source in part) == sorted(seconds)
    assert 1 <= len(parts) <= most
    lengths = [sum(seconds[source] for source in part) for part in parts]
    assert max(lengths) - min(lengths) <= max(seconds.values())
    if sum(seconds.values()) <= sensor_pace.SECONDS:
        assert len(parts) == 1


def test_a_run_that_was_given_up_takes_no_further_source(
    instance: DagsterInstance, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def given_up_meanwhile(_: Platform, source: MarketSource) -> BatchReport:
        taken.append(source.name)
        [run] = instance.get_runs()
        instance.report_run_failed(run)
        raise OSError("the batch of a worker that hung")

    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    monkeypatch.setattr(Platform, "run", given_up_meanwhile)
    assets = [one for one in market_assets([EXAMPLE, OTHER]) if isinstance(one, AssetsDefinition)]
    materialize(assets, instance=instance, resources={"platform": Platform()}, raise_on_error=False)
    assert len(taken) == 1
