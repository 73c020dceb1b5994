"""Jobs that run once: loads of staged rows, and scripts that change a table and the ledger.

The caller chooses a job's id, and the service accepts each id once. So a job that is requested
twice runs once, and of two writers that want the same id one succeeds.
"""

import io
import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
_NO_RETRY: Final = Retry(predicate=if_exception_type())
"""The caller of a job decides when it is asked for again."""

_STAGED_FOR: Final = timedelta(days=1)


class JobFailedError(EnergyPlatformError):
    """BigQuery refused a job's work; nothing of it was done."""


@contextmanager
def staged(
    clients: Clients, rows: pl.DataFrame, schema: list[bigquery.SchemaField]
) -> Iterator[bigquery.TableReference | None]:
    """Load rows, if there are any, into a table of their own for as long as the context lasts.

    A table that is left behind expires after a day.

    Raises:
        JobFailedError: BigQuery refused the rows.
    """
    if rows.is_empty():
        yield None
        return
    name = f"staging__{uuid.uuid4().hex}"
    staging = bigquery.Table(clients.dataset.table(name), schema=schema)
    staging.expires = datetime.now(UTC) + _STAGED_FOR
    patiently(clients.rest.create_table, staging, exists_ok=True)
    file = io.BytesIO()
    rows.write_parquet(file)
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        schema=schema,
    )

    def load(job_id: str) -> Job:
        return clients.rest.load_table_from_file(
            file,
            staging.reference,
            rewind=True,
            num_retries=0,
            job_id=job_id,
            job_config=config,
            location=clients.location,
            timeout=CALL_SECONDS,
        )

    _run_once(clients, name, load)
    yield staging.reference
    patiently(clients.rest.delete_table, staging, not_found_ok=True)


def run(clients: Clients, script: str, *, job_id: str) -> None:
    """Run SQL as one job; a script whose transaction fails changes nothing.

    Raises:
        CommitConflictError: Another script has used this id.
        JobFailedError: BigQuery refused the job.
    """

    def query(one_id: str) -> Job:
        return clients.rest.query(
            script,
            job_id=one_id,
            location=clients.location,
            retry=_NO_RETRY,
            job_retry=None,
            timeout=CALL_SECONDS,
        )

    _run_once(clients, job_id, query, script)


def _run_once(
    clients: Clients, job_id: str, submit: Callable[[str], Job], script: str | None = None
) -> None:
    """Run a job, under another id only if all before it have failed for good.

    A script is compared with that of a job which has the id already; a load's id is nobody else's.
    """
    tries = 0
    for one_id in (f"{job_id}-{number}" for number in itertools.count()):
        try:
            job = again(submit, one_id)
        except exceptions.Conflict:
            job = cast("Job", patiently(clients.rest.get_job, one_id, location=clients.location))
            if isinstance(job, QueryJob) and job.query != script:
                if job.error_result is not None:
                    continue
                raise CommitConflictError(f"another writer has begun job {one_id}") from None
        # A job's failure is an answer too; this error says that there was no answer.
        error = job.exception(timeout=_JOB_SECONDS)  # type: ignore[no-untyped-call] # no types
        if error is None:
            return
        tries += 1
        reason = (job.error_result or {}).get("reason")
        passes = reason in _PASSING_REASONS or "concurrent update" in str(error)
        if not passes or tries == _MOST_TRIES:
            raise JobFailedError(f"BigQuery refused job {one_id}: {error}")
