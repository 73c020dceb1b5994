"""Launches runs on warm Celery workers, and tells a dead worker from a slow one.

A run goes to the worker that last ran its job, if that one is free: it remembers the rows that the
job's sources have stored. Otherwise it goes to the queue that all workers share.
"""

from functools import cached_property
from typing import Final

from celery.utils import worker_direct
from dagster import DagsterRun, DagsterRunStatus
from dagster import _check as check
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import (
    CanCancelExecutionRequest,
    CanCancelExecutionResult,
    ExecuteRunArgs,
)
from dagster._serdes import deserialize_value, pack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from redis import RedisError

from resources import heartbeat
from resources.lost_runs import is_lost

OWN_PROCESS: Final = {"energy_platform/own_process": "true"}
"""The tag of a job whose runs last for minutes or hours, and would keep a warm worker from the
markets; a fresh process costs such a run only seconds.
"""


class WarmCeleryRunLauncher(CeleryRunLauncher):
    """dagster-celery's launcher, with the worker's heartbeat in the place of Celery's task state.

    Celery keeps calling a task STARTED after its worker was killed, so a run would hold its market
    group for good. Dagster's run monitoring asks this launcher every few seconds and fails the run
    of a worker that no longer beats; the group's next tick takes over where the run stopped.

    A run tagged `OWN_PROCESS` is left to Dagster's own launcher: the code server starts a process
    for it, and the UI can end it.
    """

    @cached_property
    def _own_process(self) -> DefaultRunLauncher:
        launcher = DefaultRunLauncher()
        launcher.register_instance(self._instance)
        return launcher

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run, on a warm worker or in a process of its own."""
        if has_own_process(context.dagster_run):
            self._own_process.launch_run(context)
        else:
            self._send(context.dagster_run)

    def _send(self, run: DagsterRun) -> None:
        """Hand a run to a worker, as a task with the run's id."""
        launched = ExecuteRunArgs(
            job_origin=check.not_none(run.job_code_origin),
            run_id=run.run_id,
            instance_ref=None,  # a worker has an instance of its own
            set_exit_code_on_failure=True,
        )
        worker = _free_worker(run.job_name)
        self.celery.send_task(
            TASK_EXECUTE_JOB_NAME,
            kwargs={"execute_job_args_packed": pack_value(launched)},
            task_id=run.run_id,
            queue=self.default_queue if worker is None else worker_direct(worker),
            ignore_result=True,
        )
        self._instance.report_engine_event(
            f"The run waits for {worker or 'the first free worker'}.",
            run,
            cls=self.__class__,
        )

    def terminate(self, run_id: str) -> bool:
        """End a run; return whether there was one to end."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and has_own_process(run):
            return bool(self._own_process.terminate(run_id))  # type: ignore[no-untyped-call] # no types
        if run is None:
            return False
        self.celery.control.revoke(run_id, terminate=True)
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return RUNNING while the worker lives, or while it can't be asked."""
        try:
            alive = self._process_lives(run) if has_own_process(run) else is_beating(run)
        except (RedisError, DagsterUserCodeUnreachableError):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Nobody there who would know.")
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The run's worker has died.")

    def has_lost(self, run: DagsterRun) -> bool:
        """Return whether a launched run will never start; False while that is unknown."""
        if has_own_process(run) or run.status is not DagsterRunStatus.STARTING:
            return False
        try:
            return is_lost(run.run_id, queue=self.default_queue)
        except RedisError:
            return False

    def get_run_worker_debug_info(
        self,
        run: DagsterRun,
        include_container_logs: bool | None = True,  # noqa: FBT001, FBT002 (Dagster's signature)
    ) -> str | None:
        """Return nothing: Celery knows nothing of a run that Dagster doesn't."""

    def _process_lives(self, run: DagsterRun) -> bool:
        """Ask the code server whether it has the run's process."""
        # Dagster offers no other way to the server that started a run.
        own = self._own_process
        client = own._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call] # noqa: SLF001
        if client is None:
            return False
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def has_own_process(run: DagsterRun) -> bool:
    """Return whether a run has a process of its own, not a warm worker."""
    return OWN_PROCESS.items() <= run.tags.items()


def is_beating(run: DagsterRun) -> bool:
    """Return whether a warm worker has recently beaten for a run.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    return heartbeat.is_alive(run.run_id)


def _free_worker(job: str) -> str | None:
    """Return the worker that last ran a job, if it is free now."""
    try:
        return heartbeat.take_last_worker(job)
    except RedisError:
        return None
