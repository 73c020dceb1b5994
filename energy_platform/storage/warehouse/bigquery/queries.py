"""Rows of stored tables and of queries, by the Storage Read API; what is above a budget is refused.

What a read takes is asked before it runs: of a query by a dry run, of a table when the service
opens the session. `reads` decides what is read.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY
from google.cloud.bigquery_storage_v1 import types

from energy_platform.errors import ReadTooLargeError, WarehouseUnavailableError
from energy_platform.storage.warehouse.bigquery.client import (
    CALL_SECONDS,
    Clients,
    patiently,
    storage_path,
)

STREAM_SECONDS: Final = 300.0
"""How long one call may stream; a call that brought rows is resumed where it ended."""

QUERY_SECONDS: Final = 600.0
"""How long a query may run before BigQuery ends it."""

USD_PER_TIB_QUERIED: Final = 6.25
"""On-demand price in most regions, without the monthly free amount."""

USD_PER_TIB_READ: Final = 1.10
"""Price of the Storage Read API in most regions, without the monthly free amount."""

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


def run(clients: Clients, sql: str, *, what: str, budget: ReadBudget) -> Iterator[pl.DataFrame]:
    """Run a query and yield its rows.

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
    config = bigquery.QueryJobConfig(
        job_timeout_ms=int(QUERY_SECONDS * 1000), labels={"reader": "energy-platform"}
    )
    if budget.max_bytes > 0:
        config.maximum_bytes_billed = budget.max_bytes
    job = clients.rest.query(
        sql,
        job_config=config,
        location=clients.location,
        timeout=CALL_SECONDS,
        retry=DEFAULT_RETRY.with_timeout(_TRIED_SECONDS),
        job_retry=DEFAULT_JOB_RETRY.with_timeout(QUERY_SECONDS),
    )
    job.result(timeout=QUERY_SECONDS, max_results=0)
    yield from table_rows(clients, job.destination)


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


def table_rows(
    clients: Clients,
    table: bigquery.TableReference,
    *,
    columns: Collection[str] = (),
    restriction: str = "",
    budget: ReadBudget | None = None,
) -> Iterator[pl.DataFrame]:
    """Yield a table's rows, in no order, as they are at the moment of the first frame.

    Args:
        clients: BigQuery's clients.
        table: The table to read.
        columns: Only these columns; all, if empty.
        restriction: Only rows that fulfil this condition in SQL.
        budget: How much may be read; as much as it takes, if None.

    Raises:
        NotFound: There is no such table.
        InvalidArgument: The table lacks a column.
        GoogleAPICallError: BigQuery refuses the read.
        ReadTooLargeError: More would be read than the budget allows; nothing was read.
        WarehouseUnavailableError: BigQuery didn't answer in time.
    """
    options = types.ReadSession.TableReadOptions(
        selected_fields=columns, row_restriction=restriction
    )
    session: types.ReadSession = patiently(
        clients.reader.create_read_session,
        parent=f"projects/{clients.rest.project}",
        read_session=types.ReadSession(
            table=storage_path(table), data_format=types.DataFormat.ARROW, read_options=options
        ),
        max_stream_count=1,
    )
    if budget is not None:
        budget.check(session.estimated_total_bytes_scanned, table.table_id, USD_PER_TIB_READ)
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    for stream in session.streams:
        for message in _messages(clients, stream.name):
            body = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
            yield pl.DataFrame(pl.from_arrow(pa.ipc.read_record_batch(body, schema)))


def _messages(clients: Clients, stream: str) -> Iterator[types.ReadRowsResponse]:
    """Yield the messages of a stream, and resume it after a deadline.

    The library resumes a stream that breaks.
    """
    reached = began = 0
    while True:
        try:
            for message in clients.reader.read_rows(stream, reached, timeout=STREAM_SECONDS):
                reached += message.row_count
                yield message
        except exceptions.DeadlineExceeded as error:
            if reached == began:
                raise WarehouseUnavailableError(f"BigQuery brings nothing: {error}") from error
            began = reached
        else:
            return


def _readable(count: int) -> str:
    return f"{count / 2**30:,.2f} GiB" if count >= 2**28 else f"{count / 2**20:,.1f} MiB"
