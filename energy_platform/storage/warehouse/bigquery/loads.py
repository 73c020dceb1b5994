"""Jobs that run exactly once: loads of batches that are too large to append, and replacements.

The caller chooses a job's id, and the service accepts each id once, so a job that is requested
twice runs once. `settle` makes sure that a missing job never runs: it uses up the job's id for a
job that does nothing.
"""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import polars as pl
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud import bigquery
from google.cloud.bigquery.job import LoadJob, QueryJob

from energy_platform.errors import CommitConflictError, EnergyPlatformError
from energy_platform.storage.warehouse.bigquery.client import (
    CALL_SECONDS,
    Clients,
    again,
    patiently,
)

Job = LoadJob | QueryJob

_JOB_SECONDS: Final = 600.0
"""How long to wait for a job. The job continues by itself, and the next caller finds it done."""

_MOST_TRIES: Final = 5
_PASSING_REASONS: Final = {
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "rateLimitExceeded",
}
_VOID: Final = "SELECT 1"
_NO_RETRY: Final = Retry(predicate=if_exception_type())
"""The caller of a job decides when it is asked for again."""

_STAGED_FOR: Final = timedelta(days=1)


class JobFailedError(EnergyPlatformError):
    """BigQuery refused a job's work; nothing of it was done."""


def load(
    clients: Clients,
    rows: pl.DataFrame,
    table: bigquery.TableReference,
    schema: list[bigquery.SchemaField],
    *,
    job_id: str,
) -> Job:
    """Append rows to a table by a load job, all or none.

    Raises:
        CommitConflictError: Another writer has made sure that this job never runs.
        JobFailedError: BigQuery refused the rows.
    """
    file = io.BytesIO()
    rows.write_parquet(file)
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        schema=schema,
    )

    def submit(one_id: str) -> Job:
        return clients.rest.load_table_from_file(
            file,
            table,
            rewind=True,
            num_retries=0,
            job_id=one_id,
            job_config=config,
            location=clients.location,
            timeout=CALL_SECONDS,
        )

    return _run_once(clients, job_id, submit)


def run(clients: Clients, script: str, *, job_id: str) -> Job:
    """Run SQL as one job; a script whose transaction fails changes nothing.

    Raises:
        CommitConflictError: Another writer has made sure that this job never runs.
        JobFailedError: BigQuery refused the job.
    """
    return _run_once(clients, job_id, lambda one_id: _query(clients, script, one_id))


def stage(
    clients: Clients,
    rows: pl.DataFrame,
    table: bigquery.TableReference,
    schema: list[bigquery.SchemaField],
    *,
    job_id: str,
) -> None:
    """Load rows into a table of their own, which expires after a day."""
    staging = bigquery.Table(table, schema=schema)
    staging.expires = datetime.now(UTC) + _STAGED_FOR
    patiently(clients.rest.create_table, staging, exists_ok=True)
    load(clients, rows, table, schema, job_id=job_id)


def settle(clients: Clients, job_id: str) -> Job | None:
    """Return the job that has done its work; None if there is none and never will be.

    Raises:
        CommitConflictError: The job is running.
    """
    for one_id in _tries(job_id):
        try:
            job = _get(clients, one_id)
        except exceptions.NotFound:
            try:
                job = again(_query, clients, _VOID, one_id)
            except exceptions.Conflict:
                raise CommitConflictError(f"job {one_id} has just been started") from None
        if _is_void(job):
            return None
        if job.state != "DONE":
            raise CommitConflictError(f"job {one_id} is running")
        if job.error_result is None:
            return job
    return None


def _run_once(clients: Clients, job_id: str, submit: Callable[[str], Job]) -> Job:
    """Run a job; run it under another id only after it has failed for good."""
    failure = ""
    for one_id in _tries(job_id):
        try:
            job = again(submit, one_id)
        except exceptions.Conflict:
            job = _get(clients, one_id)
        if _is_void(job):
            raise CommitConflictError(f"another writer has taken over from job {one_id}")
        # A job's failure is an answer too; this error says that there was no answer.
        error = job.exception(timeout=_JOB_SECONDS)  # type: ignore[no-untyped-call] # no types
        if error is None:
            return job
        failure = str(error)
        reason = (job.error_result or {}).get("reason")
        if reason not in _PASSING_REASONS and "concurrent update" not in failure:
            break
    raise JobFailedError(f"BigQuery refused job {job_id}: {failure}")


def _tries(job_id: str) -> Iterator[str]:
    return (f"{job_id}-{one}" for one in range(_MOST_TRIES))


def _get(clients: Clients, job_id: str) -> Job:
    return cast("Job", patiently(clients.rest.get_job, job_id, location=clients.location))


def _query(clients: Clients, sql: str, job_id: str) -> Job:
    return clients.rest.query(
        sql,
        job_id=job_id,
        location=clients.location,
        retry=_NO_RETRY,
        job_retry=None,
        timeout=CALL_SECONDS,
    )


def _is_void(job: Job) -> bool:
    return isinstance(job, QueryJob) and job.query == _VOID
