"""Appends rows by the Storage Write API, at an offset of a stream, exactly once.

A stream takes each of its offsets once, so of two writers at the same offset one succeeds.
`warehouse` decides which stream and offset a batch goes to, and what is done if it isn't taken.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from energy_platform.storage.warehouse.bigquery.client import (
    CALL_SECONDS,
    Clients,
    again,
    patiently,
    storage_path,
)

_log = logging.getLogger(__name__)

_STREAMABLE: Final = (timedelta(days=-5 * 365), timedelta(days=364))
"""How far from now a day's partition may be for a stream to write to it."""

_GONE: Final = (
    exceptions.FailedPrecondition,
    exceptions.InvalidArgument,
    exceptions.NotFound,
    exceptions.OutOfRange,
)
"""The error codes for a stream that was finalized or that the service has forgotten."""


def new_stream(clients: Clients, table: bigquery.TableReference) -> str:
    """Create a stream whose rows can be read once they are accepted; return its name."""
    wanted = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
    made = patiently(
        clients.writer.create_write_stream, parent=storage_path(table), write_stream=wanted
    )
    return str(made.name)


def append(clients: Clients, stream: str, offset: int | None, rows: pa.RecordBatch) -> bool:
    """Append rows at an offset of a stream, all or none; return whether it took them.

    It doesn't if the offset is taken, if it is finalized or gone, or if it refuses these rows;
    then none of them will be stored. Without an offset, rows whose answer was lost may be stored
    twice.
    """
    request = types.AppendRowsRequest(write_stream=stream, offset=offset)
    request.arrow_rows.writer_schema.serialized_schema = rows.schema.serialize().to_pybytes()
    request.arrow_rows.rows.serialized_record_batch = rows.serialize().to_pybytes()
    try:
        again(_send, clients, request)
    except exceptions.AlreadyExists:
        return False
    except _GONE as error:
        _log.warning("%s takes no rows: %s", stream, error)
        return False
    return True


def finalize(clients: Clients, stream: str) -> int | None:
    """Close a stream for every writer; return its number of rows, None if it is unknown."""
    try:
        answer = patiently(clients.writer.finalize_write_stream, name=stream)
    except _GONE:
        return None
    return int(answer.row_count)


def is_streamed(times: pl.Series) -> bool:
    """Return whether a stream may write to the partitions of these event times."""
    now = datetime.now(UTC)
    earliest, latest = (now + distance for distance in _STREAMABLE)
    return bool(times.is_between(earliest, latest).all(ignore_nulls=False))


def _send(clients: Clients, request: types.AppendRowsRequest) -> None:
    """Send one request by a call of its own: most tables have a batch a minute or fewer."""
    route = [("x-goog-request-params", f"write_stream={request.write_stream}")]
    answers = clients.writer.append_rows(
        iter([request]), retry=None, timeout=CALL_SECONDS, metadata=route
    )
    for answer in answers:
        if answer.error.code:
            raise exceptions.from_grpc_status(
                answer.error.code, answer.error.message, response=answer
            )
