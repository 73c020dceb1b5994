"""The Celery application of a warm worker.

    celery --app resources.worker worker --pool solo --include definitions

Including the definitions imports the whole code location once; each run then costs milliseconds,
not the seconds of a fresh process. One solo worker per process, since polars and delta-rs keep
thread pools that do not survive a fork; more workers are more processes.
"""

import os
import signal
from contextlib import AbstractContextManager, suppress
from functools import cache
from typing import Any

from celery import Celery, signals
from celery.worker import state
from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

from resources import heartbeat
from resources.heartbeat import WorkerBeat
from resources.launcher import WarmCeleryRunLauncher


def _application() -> Celery:
    launcher = DagsterInstance.get().run_launcher
    if not isinstance(launcher, WarmCeleryRunLauncher):
        raise TypeError("dagster.yaml names another run launcher than WarmCeleryRunLauncher")
    return make_app(launcher.app_args())


app = _application()


@cache
def _instance() -> DagsterInstance:
    """Return this process's instance, which costs as much to open as a small run."""
    return DagsterInstance.get()


@app.task(name=TASK_EXECUTE_JOB_NAME, ignore_result=True)
def execute_job(execute_job_args_packed: Any) -> int:  # noqa: ANN401 (JSON)
    """Execute a run as dagster-celery's own task does, with an instance that stays open."""
    launched = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
    return _execute_run_command_body(
        instance=_instance(),
        run_id=launched.run_id,
        write_stream_fn=lambda _: None,
        set_exit_code_on_failure=True,
    )


_own_beat: list[WorkerBeat] = []
_beating: dict[str, AbstractContextManager[None]] = {}
_noted: list[int] = []
"""The pipe that records which signals this process was sent."""


@signals.worker_ready.connect
def _begin_beating(sender: Any, **_: object) -> None:  # noqa: ANN401 (Celery's consumer)
    beat = WorkerBeat(sender.hostname)
    beat.begin()
    _own_beat.append(beat)


@signals.worker_shutting_down.connect
def _end_beating(**_: object) -> None:
    while _own_beat:
        _own_beat.pop().end()


@signals.task_prerun.connect
def _begin_run(task_id: str, kwargs: dict[str, Any], **_: object) -> None:
    launched = unpack_value(kwargs["execute_job_args_packed"], as_type=ExecuteRunArgs)
    _beating[task_id] = heartbeat.beating(launched.run_id)
    _beating[task_id].__enter__()
    for beat in _own_beat:
        beat.take(launched.job_origin.job_name)


@signals.task_postrun.connect
def _end_run(task_id: str, **_: object) -> None:
    _beating.pop(task_id).__exit__(None, None, None)
    for beat in _own_beat:
        beat.free()


@signals.worker_init.connect
def _note_signals(**_: object) -> None:
    """Record each signal in a pipe, whoever handles it."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    _noted.append(reader)


@signals.task_postrun.connect
def _stop_if_told_meanwhile(**_: object) -> None:
    """Stop the worker after a run that a signal ended.

    Dagster handles the signal by ending the run, so the worker itself never receives it.
    """
    for reader in _noted:
        with suppress(BlockingIOError):
            if signal.SIGTERM in os.read(reader, 64):
                state.should_stop = os.EX_OK
