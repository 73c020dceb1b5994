"""The sensors see what is wrong, say it in the interface, and leave sending to others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    SkipReason,
    build_run_status_sensor_context,
    build_sensor_context,
    job,
    op,
)
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy

from assets.market import freshness_policy
from definitions import defs
from energy_platform.market.publication import DailyPublication
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.book import AlertBook
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import settings
from resources import Platform
from sensors.alerts import alert_sensors, alerts_sensor, failed_runs_sensor
from tests.support.sources import EXAMPLE, example_message
from tests.support.stores import land, run_all


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def tick(instance: DagsterInstance) -> str | None:
    with build_sensor_context(instance=instance, resources={"platform": Platform()}) as context:
        answer = alerts_sensor(context)
    assert isinstance(answer, SkipReason)
    return answer.skip_message


@pytest.mark.usefixtures("example_known")
def test_what_is_wrong_is_in_the_tick(
    instance: DagsterInstance, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_BRIEF", timedelta())
    assert tick(instance) == "nothing is wrong"
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    run_all(platform_batches)
    said = tick(instance)
    assert said is not None
    assert said.startswith("example_price is late since 2026-03-01 12:05 UTC")
    assert tick(instance) == said


@op
def fails() -> None:
    raise RuntimeError("no luck")


@job
def luckless() -> None:
    fails()


@pytest.mark.usefixtures("home")
def test_a_failed_run_is_noted(instance: DagsterInstance) -> None:
    result = luckless.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    event = next(one for one in result.all_events if one.event_type_value == "PIPELINE_FAILURE")
    context = build_run_status_sensor_context(
        sensor_name="failed_runs_sensor",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
    ).for_run_failure()
    failed_runs_sensor(context)
    failed_runs_sensor(context)
    [noted] = AlertBook(settings().state).failed_runs(datetime.now(UTC))
    assert (noted.job, noted.count) == ("luckless", 1)
    assert "fails" in noted.last_error


def test_both_sensors_are_on_in_the_code_location() -> None:
    known = {sensor.name: sensor for sensor in defs.get_repository_def().sensor_defs}
    for sensor in alert_sensors():
        assert known[sensor.name].default_status is DefaultSensorStatus.RUNNING


def test_a_continuous_source_is_stale_after_its_lag() -> None:
    policy = freshness_policy(replace(EXAMPLE, expected_lag=timedelta(hours=3)))
    assert isinstance(policy, TimeWindowFreshnessPolicy)
    assert policy.fail_window.to_timedelta() == timedelta(hours=3)


@pytest.mark.parametrize(
    ("at", "lag", "weekdays", "cron", "look_back"),
    [
        (time(12, 57), timedelta(hours=1), range(7), "57 13 * * *", timedelta(hours=2)),
        (time(12, 57), timedelta(hours=1), range(5), "57 13 * * 1,2,3,4,5", timedelta(hours=2)),
        # Sunday's deadline is on Monday.
        (time(22, 30), timedelta(hours=3), {4, 6}, "30 1 * * 1,6", timedelta(hours=4)),
        (time(6), timedelta(hours=30), {0}, "0 12 * * 2", timedelta(hours=20)),
    ],
)
def test_a_daily_source_is_stale_after_its_deadline(
    at: time, lag: timedelta, weekdays: set[int], cron: str, look_back: timedelta
) -> None:
    publication = DailyPublication(at=at, zone="Europe/Berlin", weekdays=frozenset(weekdays))
    policy = freshness_policy(replace(EXAMPLE, expected_lag=lag, publication=publication))
    assert isinstance(policy, CronFreshnessPolicy)
    assert (policy.deadline_cron, policy.timezone) == (cron, "Europe/Berlin")
    assert policy.lower_bound_delta == look_back
