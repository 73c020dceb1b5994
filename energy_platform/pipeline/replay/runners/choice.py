"""Opens the engine that the settings name. An engine's client is imported when it is chosen."""

import shlex
from collections.abc import Callable

from energy_platform.errors import MissingExtraError, UsageError
from energy_platform.pipeline.replay.runners.processes import Processes
from energy_platform.pipeline.replay.stager import Runner, Stager, Tell, tell_nobody
from energy_platform.settings import ReplayRunner, Settings
from energy_platform.storage.landing import LandingZone


def open_stager(
    chosen: Settings,
    zone: LandingZone,
    kind: ReplayRunner | None = None,
    *,
    tell: Tell = tell_nobody,
) -> Stager:
    """Return what stages a replay with these settings.

    Args:
        chosen: The settings.
        zone: The landing zone that they name.
        kind: Another engine than theirs.
        tell: Learns of the progress.

    Raises:
        UsageError: The engine is not wholly described.
    """
    return Stager(
        zone=zone,
        runner=_OPENS[kind or chosen.replay_runner](chosen),
        most_bytes=chosen.replay_staged_bytes,
        tell=tell,
    )


def _processes(chosen: Settings) -> Runner:
    return Processes(
        landing=chosen.landing_url,
        most_bytes=chosen.replay_staged_bytes,
        count=chosen.replay_tasks,
    )


def _cloud_run(chosen: Settings) -> Runner:
    if chosen.replay_job is None:
        raise UsageError("ENERGY_PLATFORM_REPLAY_JOB names the Cloud Run job that stages")
    if not chosen.landing_url.startswith("gs://"):
        raise UsageError("a Cloud Run job reaches a landing zone in Cloud Storage alone")
    try:
        from energy_platform.pipeline.replay.runners.cloud_run import CloudRunJob
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error) from error
    return CloudRunJob.open(chosen.replay_job, most_tasks=chosen.replay_tasks)


def _beam(chosen: Settings) -> Runner:
    from energy_platform.pipeline.replay.runners.beam import Beam

    python = chosen.replay_beam_python
    if not python.exists():
        raise UsageError(f"Beam is not installed: {python} is missing; `make beam` installs it")
    return Beam(
        python=python.absolute(),
        landing=chosen.landing_url,
        most_bytes=chosen.replay_staged_bytes,
        options=tuple(shlex.split(chosen.replay_beam_options)),
    )


_OPENS: dict[ReplayRunner, Callable[[Settings], Runner]] = {
    ReplayRunner.PROCESSES: _processes,
    ReplayRunner.CLOUD_RUN: _cloud_run,
    ReplayRunner.BEAM: _beam,
}
