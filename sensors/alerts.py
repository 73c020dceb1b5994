"""Two sensors alert people: one looks at all sources twice a minute, one records each failed run.

Dagster's interface shows what is wrong, even if no alert address is set. A thread beside the sensor
sends the alerts, so that a webhook that hangs holds up no tick.
"""

from datetime import UTC, datetime
from typing import Final

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    run_failure_sensor,
    sensor,
)

from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.watch import look, start_delivery
from energy_platform.settings import settings
from resources import Platform

_LOOK_SECONDS: Final = 30
_ERROR_CHARACTERS: Final = 200


def alert_sensors() -> list[SensorDefinition]:
    """Return the sensors that raise alerts, on by default."""
    return [alerts_sensor, failed_runs_sensor]


@sensor(
    minimum_interval_seconds=_LOOK_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Tells who is late, drifts, fails or is over it: here, in the log, and to the"
    " addresses of ENERGY_PLATFORM_ALERT_URLS.",
)
def alerts_sensor(context: SensorEvaluationContext, platform: Platform) -> SkipReason:
    """Look at all sources, and send the news."""
    incidents, news = look(settings(), platform.micro_batches)
    for one in news:
        context.log.warning("%s: %s", one.told, one.text)
    start_delivery(settings())
    told = [incident.text for incident in incidents if incident.told_at is not None]
    return SkipReason("\n".join(told) or "nothing is wrong")


@run_failure_sensor(
    minimum_interval_seconds=_LOOK_SECONDS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Notes each run that fails; the alerts tell of them together, job by job.",
)
def failed_runs_sensor(context: RunFailureSensorContext) -> None:
    """Record a failed run."""
    run = context.dagster_run
    steps = [event.step_key for event in context.get_step_failure_events() if event.step_key]
    error = f"in {', '.join(steps)}" if steps else context.failure_event.message or "no reason"
    AlertBook(settings().state).add_failed_run(
        run.run_id, run.job_name, datetime.now(UTC), error.splitlines()[0][:_ERROR_CHARACTERS]
    )
