"""Runs queries, after asking what each would scan; a query above the budget is refused."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY

from energy_platform.errors import ReadTooLargeError
from energy_platform.storage.warehouse.bigquery import storage_read
from energy_platform.storage.warehouse.bigquery.client import CALL_SECONDS, Clients, patiently

QUERY_SECONDS: Final = 600.0
"""How long a query may run before BigQuery ends it."""

USD_PER_TIB_QUERIED: Final = 6.25
"""On-demand price in most regions, without the monthly free amount."""

_TIB: Final = 2**40
_TRIED_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBudget:
    """How much one read may scan.

    Attributes:
        warn_bytes: A read that scans more is logged with its bytes and price before it runs.
        max_bytes: A read that would scan more is refused; 0 refuses none.
    """

    warn_bytes: int = 10 * 2**30
    max_bytes: int = 2**40

    def check(self, scanned_bytes: int, what: str, usd_per_tib: float) -> None:
        """Log what a read will scan, or refuse it.

        Raises:
            ReadTooLargeError: The read would scan too much; the message has the bytes and the
                price.
        """
        said = (
            f"{what} scans {_readable(scanned_bytes)}, "
            f"about {scanned_bytes / _TIB * usd_per_tib:.2f} USD on demand"
        )
        if 0 < self.max_bytes < scanned_bytes:
            raise ReadTooLargeError(
                f"{said}, and more than {_readable(self.max_bytes)} is refused: "
                "ask for fewer days or columns, or raise ENERGY_PLATFORM_BIGQUERY_MAX_BYTES"
            )
        if scanned_bytes > self.warn_bytes:
            _log.warning("%s", said)


DEFAULT_BUDGET: Final = ReadBudget()


def run(clients: Clients, sql: str, *, what: str, budget: ReadBudget) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its rows, read by the Storage Read API.

    Args:
        clients: BigQuery's clients.
        sql: The query.
        what: What the query reads, for people.
        budget: How much it may scan. BigQuery enforces the same limit, should the table grow
            meanwhile.

    Raises:
        ReadTooLargeError: The query would scan too much; it has not run.
        GoogleAPICallError: BigQuery refuses the query, or didn't answer in time.
    """
    budget.check(dry_run_bytes(clients, sql), what, USD_PER_TIB_QUERIED)
    job = clients.rest.query(
        sql,
        job_config=_job_config(budget),
        location=clients.location,
        timeout=CALL_SECONDS,
        retry=DEFAULT_RETRY.with_timeout(_TRIED_SECONDS),
        job_retry=DEFAULT_JOB_RETRY.with_timeout(QUERY_SECONDS),
    )
    job.result(timeout=QUERY_SECONDS, max_results=0)
    yield from storage_read.batches(clients, job.destination)


def dry_run_bytes(clients: Clients, sql: str) -> int:
    """Return how many bytes a query would scan; asking is free."""
    job = patiently(
        clients.rest.query,
        sql,
        job_config=bigquery.QueryJobConfig(dry_run=True, use_query_cache=False),
        location=clients.location,
        job_retry=None,
    )
    return int(job.total_bytes_processed or 0)


def _job_config(budget: ReadBudget) -> bigquery.QueryJobConfig:
    config = bigquery.QueryJobConfig(
        job_timeout_ms=int(QUERY_SECONDS * 1000), labels={"reader": "energy-platform"}
    )
    if budget.max_bytes > 0:
        config.maximum_bytes_billed = budget.max_bytes
    return config


def _readable(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB" if count >= 2**28 else f"{count / 2**20:,.1f} MiB"
