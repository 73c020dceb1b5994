"""Stages by a Cloud Run job: the platform's own image, a task for each share of the ranges.

The job is made beforehand (Terraform does), with the image, its service account, its settings and
how many tasks run at once. Here it is run with other arguments: Cloud Run gives each task its
number in `CLOUD_RUN_TASK_INDEX`, which `energy-platform replay stage` reads.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any, Final, Self

import google.auth
import httplib2
from google.auth import exceptions
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from energy_platform.errors import StagingFailedError
from energy_platform.pipeline.replay.plan import Plan

_CALL_SECONDS: Final = 60
_TRIES_AGAIN: Final = 4
"""How often a call is made again after an answer that says so, with a growing pause."""
_LOOK_SECONDS: Final = 5.0
_UNKNOWN_SECONDS: Final = 300.0
"""How long Cloud Run may be out of reach before a replay gives up; its tasks go on meanwhile."""
_MOST_TASKS: Final = 20
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CloudRunJob:
    """A Cloud Run job.

    Attributes:
        service: The client of Cloud Run's API.
        name: The job, as `projects/P/locations/L/jobs/J`.
        most_tasks: How many tasks one execution has at most.
    """

    service: Any
    name: str
    most_tasks: int

    @classmethod
    def open(cls, name: str, *, most_tasks: int = 0) -> Self:
        """Open the client, with the credentials that Google's own tools would take.

        Raises:
            StagingFailedError: There are no credentials.
        """
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        except exceptions.DefaultCredentialsError as error:
            raise StagingFailedError(f"Cloud Run needs credentials: {error}") from error
        http = AuthorizedHttp(credentials, http=httplib2.Http(timeout=_CALL_SECONDS))
        # The API's document comes with the client, so nothing is fetched to build it.
        service = build("run", "v2", http=http, static_discovery=True)
        return cls(service, name, most_tasks or _MOST_TASKS)

    def start(self, plan: Plan) -> "Execution":
        """Run the job with one task for each share of the plan's ranges.

        Raises:
            StagingFailedError: Cloud Run refuses, or can't be reached.
        """
        arguments = ["replay", "stage", plan.source, "--plan", plan.plan_id]
        body = {
            "overrides": {
                "taskCount": min(self.most_tasks, len(plan.ranges)),
                "containerOverrides": [{"args": arguments}],
            }
        }
        jobs = self.service.projects().locations().jobs()
        try:
            operation = jobs.run(name=self.name, body=body).execute(num_retries=_TRIES_AGAIN)
            return Execution(jobs.executions(), operation["metadata"]["name"])
        except (HttpError, OSError, exceptions.GoogleAuthError, KeyError) as error:
            raise StagingFailedError(f"the Cloud Run job {self.name} can't run: {error}") from error


class Execution:
    """One run of a Cloud Run job.

    Args:
        executions: The client's part for executions.
        name: The execution.
    """

    def __init__(self, executions: Any, name: str) -> None:  # noqa: ANN401 (the client has no types)
        self._executions = executions
        self._name = name
        self._is_running = True
        self._heard_at = time.monotonic()
        self._looked_at = float("-inf")

    def is_running(self) -> bool:
        """Return whether tasks are at work, or were when Cloud Run last said so.

        Raises:
            StagingFailedError: A task has failed for good, the execution was cancelled, or Cloud
                Run has not answered for minutes.
        """
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return self._is_running
        self._looked_at = time.monotonic()
        try:
            said = self._executions.get(name=self._name).execute(num_retries=_TRIES_AGAIN)
        except (HttpError, OSError, exceptions.GoogleAuthError) as error:
            if time.monotonic() - self._heard_at > _UNKNOWN_SECONDS:
                raise StagingFailedError(f"{self._name} can't be asked about: {error}") from error
            _log.warning("%s can't be asked about now: %s", self._name, error)
            return self._is_running
        self._heard_at = time.monotonic()
        self._is_running = "completionTime" not in said
        failed, cancelled = said.get("failedCount", 0), said.get("cancelledCount", 0)
        if not self._is_running and (failed or cancelled):
            raise StagingFailedError(
                f"{self._name}: {failed} tasks failed and {cancelled} were cancelled;"
                f" {said.get('logUri', 'Cloud Logging has their output')}"
            )
        return self._is_running

    def cancel(self) -> None:
        """Cancel the execution if it is not known to be over; its tasks are told to end."""
        if not self._is_running:
            return
        self._is_running = False
        try:
            self._executions.cancel(name=self._name, body={}).execute(num_retries=_TRIES_AGAIN)
        except (HttpError, OSError, exceptions.GoogleAuthError) as error:
            _log.error("%s could not be cancelled, and may go on staging: %s", self._name, error)
