"""Dagster is told of a landing or a hot copy once when it has moved, whatever the others do."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DefaultSensorStatus,
    SensorResult,
    build_sensor_context,
)
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy

from assets.market import freshness_policy
from definitions import defs
from energy_platform.errors import HotStoreUnavailableError
from energy_platform.market.registry import market_sources
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import settings
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from resources import Platform
from resources.neighbours import REPORTED_EVERY, hot_copy_key, landing_key
from sensors import neighbours_sensor
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import land, run_all

OTHER = replace(EXAMPLE, name="example_other")
SENSOR = neighbours_sensor([EXAMPLE, OTHER])


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


class Ticks:
    """The sensor's ticks, one after the other, by one cursor."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self.cursor: str | None = None

    def __call__(self) -> dict[AssetKey, dict[str, Any]]:
        """Return what a tick reports: metadata by asset."""
        with build_sensor_context(
            instance=self._instance, cursor=self.cursor, resources={"platform": Platform()}
        ) as context:
            result = SENSOR(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        events = [event for event in result.asset_events if isinstance(event, AssetMaterialization)]
        assert len({event.asset_key for event in events}) == len(events) == len(result.asset_events)
        return {
            event.asset_key: {label: value.value for label, value in event.metadata.items()}
            for event in events
        }


@pytest.fixture
def tick(instance: DagsterInstance, platform_batches: MicroBatches) -> Ticks:
    return Ticks(instance)


def test_a_landing_is_reported_once_with_what_is_new(
    tick: Ticks, platform_batches: MicroBatches
) -> None:
    assert tick() == {}
    land(platform_batches, [example_message([("CZ", 0, 1.0)], minutes=5)] * 2)
    [(key, said)] = tick().items()
    assert key == landing_key(EXAMPLE)
    assert said.pop("lag_seconds") > 0
    assert said == {
        "dagster/row_count": 2,
        "landing_offset": 2,
        "last_received_at": NOON.timestamp() + 300,
    }
    assert tick() == {}
    land(platform_batches, [example_message([("CZ", 1, 1.0)])])
    said = tick()[landing_key(EXAMPLE)]
    assert (said["dagster/row_count"], said["landing_offset"]) == (1, 3)
    assert said["stored_bytes"] > 0


def test_a_hot_copy_is_reported_once_with_its_rows(
    tick: Ticks, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0), ("CZ", 1, 2.0)])], source=OTHER)
    run_all(platform_batches, OTHER)
    said = tick()[hot_copy_key(OTHER)]
    assert said.pop("lag_seconds") > 0
    assert said == {
        "dagster/row_count": 2,
        "landing_offset": 1,
        "messages": 1,
        "messages_behind": 0,
        "rows_in_table": 2,
        "newest_event_at": NOON.timestamp(),
    }
    assert tick() == {}
    land(platform_batches, [example_message([("CZ", 2, 3.0)])] * 3, source=OTHER)
    run_all(platform_batches, OTHER)
    said = tick()[hot_copy_key(OTHER)]
    assert (said["dagster/row_count"], said["messages"], said["rows_in_table"]) == (1, 3, 3)


@pytest.mark.parametrize("cursor", ["no cursor", "[]", '{"example_price": {"landed": "odd"}}'])
def test_a_cursor_of_another_form_begins_anew(
    tick: Ticks, platform_batches: MicroBatches, cursor: str
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    tick.cursor = cursor
    assert tick().keys() == {landing_key(EXAMPLE)}
    assert tick() == {}


def test_one_unreadable_source_leaves_the_others(
    tick: Ticks, platform_batches: MicroBatches
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
        run_all(platform_batches, source)
    log = settings().home / "warehouse" / market_table(EXAMPLE).name / "_delta_log"
    kept = {file: file.read_bytes() for file in log.glob("*.json")}
    for file in kept:
        file.write_bytes(b"torn")
    forget_cached()
    assert tick().keys() == {landing_key(EXAMPLE), landing_key(OTHER), hot_copy_key(OTHER)}
    for file, text in kept.items():
        file.write_bytes(text)
    assert tick().keys() == {hot_copy_key(EXAMPLE)}, "what was left out is made up for"


def test_a_hot_store_that_is_away_is_asked_once_a_tick(
    tick: Ticks, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
        run_all(platform_batches, source)
    asked = []

    def away(*_: object) -> int:
        asked.append(1)
        raise HotStoreUnavailableError("no route")

    with monkeypatch.context() as while_away:
        while_away.setattr(SqliteHotStore, "committed_offset", away)
        assert tick().keys() == {landing_key(EXAMPLE), landing_key(OTHER)}
    assert len(asked) == 1
    assert tick().keys() == {hot_copy_key(EXAMPLE), hot_copy_key(OTHER)}


def test_the_sensor_is_on_and_ticks_no_more_often_than_it_says() -> None:
    known = {one.name: one for one in defs.get_repository_def().sensor_defs}
    sensor = known[SENSOR.name]
    assert sensor.default_status is DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == REPORTED_EVERY.total_seconds() == 60


@pytest.mark.parametrize("name", market_sources())
def test_what_is_reported_late_is_stale_later(name: str) -> None:
    graph, source = defs.resolve_asset_graph(), market_sources()[name]
    table = freshness_policy(source)
    for key in (landing_key(source), hot_copy_key(source)):
        policy = graph.get(key).freshness_policy_or_from_metadata
        if isinstance(table, TimeWindowFreshnessPolicy):
            assert isinstance(policy, TimeWindowFreshnessPolicy)
            later = policy.fail_window.to_timedelta() - table.fail_window.to_timedelta()
            assert later == REPORTED_EVERY
        else:
            assert isinstance(policy, CronFreshnessPolicy)
            assert isinstance(table, CronFreshnessPolicy)
            assert policy.deadline_cron != table.deadline_cron
