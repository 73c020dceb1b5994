"""Launches runs on warm Celery workers, and knows a dead worker from a slow one."""

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from redis import RedisError

from resources import heartbeat


class WarmCeleryRunLauncher(CeleryRunLauncher):
    """dagster-celery's launcher, with the worker's heartbeat in the place of Celery's task state.

    Celery goes on calling a task STARTED after its worker was killed, so a run would hold its
    market group for good. Dagster's run monitoring asks here every few seconds and fails the run
    of a worker that no longer beats; the group's next tick takes over where it stopped.
    """

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return RUNNING while the worker beats, or while the broker can't be asked."""
        try:
            alive = heartbeat.is_alive(run.run_id)
        except RedisError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The broker does not answer.")
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The run's worker has died.")
