"""The sensor of the trading signals: each quarter-hour they speak, and each night they are trained.

It goes by the market's clock. A cron schedule goes by the wall's, and a simulated market may go
faster.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dagster import (
    AssetSelection,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    define_asset_job,
    sensor,
)
from pydantic import BaseModel

from assets.signals import model_key
from energy_platform.operations.status import market_clock
from energy_platform.settings import settings
from energy_platform.signals.signal import Signal
from resources.launcher import OWN_PROCESS
from sensors.market_group import UNFINISHED

SPEAK_JOB: Final = "signals_speak"
TRAIN_JOB: Final = "signals_train"
_LOOK_SECONDS: Final = 5
_QUARTER_SECONDS: Final = 900
_NIGHT: Final = timedelta(hours=3)
_ZONE: Final = ZoneInfo("Europe/Berlin")
_LONGEST: Final = {"dagster/max_runtime": "3600"}


class Done(BaseModel):
    """What was started last, in market time.

    Attributes:
        quarter: The quarter-hour, in quarter-hours since 1970, for which signals were to speak.
        night: The day on whose night they were trained.
    """

    quarter: int = 0
    night: str = ""


def due(done: Done, now: datetime) -> tuple[Done, list[str]]:
    """Return what is done once the jobs are started that are due at a market time, and the jobs.

    Speaking comes first, so that no quarter-hour waits for the training.
    """
    quarter = int(now.timestamp() // _QUARTER_SECONDS)
    night = (now.astimezone(_ZONE) - _NIGHT).date().isoformat()
    jobs = [
        *([SPEAK_JOB] if quarter != done.quarter else []),
        *([TRAIN_JOB] if night != done.night else []),
    ]
    return Done(quarter=quarter, night=night), jobs


def signals_sensor(signals: Iterable[Signal]) -> SensorDefinition:
    """Return the sensor that trains these signals and lets them speak, on by default."""
    known = list(signals)
    speak = define_asset_job(
        SPEAK_JOB,
        selection=AssetSelection.assets(*(signal.name for signal in known)),
        description="What the trading signals say of the deliveries that are decided about.",
    )
    train = define_asset_job(
        TRAIN_JOB,
        selection=AssetSelection.assets(*map(model_key, known)),
        description="Trains the models of the trading signals, and scores them.",
        tags={**OWN_PROCESS, **_LONGEST},
    )

    @sensor(
        name="signals_sensor",
        jobs=[speak, train],
        minimum_interval_seconds=_LOOK_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="By the market's clock: signals speak each quarter-hour, and learn each night.",
    )
    def look(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        if context.last_tick_completion_time is None:
            return SkipReason("a platform that has only just begun has the cores to itself")
        done, jobs = due(_done(context), market_clock(settings()).now())
        free = [
            job
            for job in jobs
            if not context.instance.get_runs_count(RunsFilter(job_name=job, statuses=UNFINISHED))
        ]
        if not free:
            return SkipReason("a run is under way" if jobs else "this quarter-hour has been told")
        before = _done(context)
        cursor = Done(
            quarter=done.quarter if SPEAK_JOB in free else before.quarter,
            night=done.night if TRAIN_JOB in free else before.night,
        )
        return SensorResult(
            run_requests=[RunRequest(job_name=job) for job in free],
            cursor=cursor.model_dump_json(),
        )

    return look


def _done(context: SensorEvaluationContext) -> Done:
    """Return the cursor's content; nothing if it is empty or from another release."""
    try:
        return Done.model_validate_json(context.cursor or "{}")
    except ValueError as error:
        context.log.warning("the cursor can't be read, so all is due: %s", error)
        return Done()
