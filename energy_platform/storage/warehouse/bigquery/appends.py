"""Appends rows by the Storage Write API, at an offset of a stream, exactly once.

A stream accepts each offset once, so a repeated append stores nothing twice. `ledger` decides which
writer uses which stream and offset. `loads` writes batches that are too large for a stream.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any, Final

import grpc
import polars as pl
import pyarrow as pa
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from energy_platform.storage.warehouse.bigquery.client import CALL_SECONDS, Clients, patiently

_STREAMABLE: Final = (timedelta(days=-5 * 365), timedelta(days=364))
"""How far from now a day's partition may be for a stream to write to it."""

_GONE: Final = (
    exceptions.FailedPrecondition,
    exceptions.InvalidArgument,
    exceptions.NotFound,
    exceptions.OutOfRange,
)
"""The error codes for a stream that was finalized or that the service has forgotten."""


class StreamRefusedError(Exception):
    """The stream is finalized or gone, or doesn't take these rows; none of them was stored."""


class Appends:
    """The streams that this process appends to; the busiest ones keep a connection open."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._connections: OrderedDict[str, _Connection] = OrderedDict()

    def new_stream(self, table: bigquery.TableReference) -> str:
        """Create a stream whose rows can be read once they are accepted; return its name."""
        stream = patiently(
            self._clients.writer.create_write_stream,
            parent=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
            write_stream=types.WriteStream(type_=types.WriteStream.Type.COMMITTED),
        )
        return str(stream.name)

    def append(self, stream: str, offset: int, rows: pa.RecordBatch) -> bool:
        """Append rows at an offset of a stream, all or none; return False if some are there.

        Raises:
            StreamRefusedError: No row was stored, and none will be.
        """
        request = types.AppendRowsRequest(write_stream=stream, offset=offset)
        request.arrow_rows.writer_schema.serialized_schema = rows.schema.serialize().to_pybytes()
        request.arrow_rows.rows.serialized_record_batch = rows.serialize().to_pybytes()
        try:
            patiently(self._send, stream, request)
        except exceptions.AlreadyExists:
            return False
        except _GONE as error:
            self._drop(stream)
            raise StreamRefusedError(error.message) from error
        return True

    def finalize(self, stream: str) -> int | None:
        """Close a stream for every writer; return its number of rows, None if it is unknown."""
        self._drop(stream)
        try:
            answer = patiently(self._clients.writer.finalize_write_stream, name=stream)
        except _GONE:
            return None
        return int(answer.row_count)

    def close(self) -> None:
        """Close every connection."""
        for stream in list(self._connections):
            self._drop(stream)

    def _send(self, stream: str, request: types.AppendRowsRequest, **_: object) -> None:
        try:
            self._connected(stream).send(request)
        except exceptions.AlreadyExists:
            raise
        except Exception:
            self._drop(stream)
            raise

    def _connected(self, stream: str) -> "_Connection":
        """Return a stream's connection; a new one replaces the one that was idle longest."""
        connection = self._connections.get(stream)
        if connection is None or not connection.is_open:
            self._drop(stream)
            if len(self._connections) >= self._clients.append_connections:
                self._drop(next(iter(self._connections)))
            connection = self._connections[stream] = _Connection(self._clients, stream)
        self._connections.move_to_end(stream)
        return connection

    def _drop(self, stream: str) -> None:
        if connection := self._connections.pop(stream, None):
            connection.close()


def is_streamed(times: pl.Series) -> bool:
    """Return whether a stream may write to the partitions of these event times."""
    now = datetime.now(UTC)
    earliest, latest = (now + distance for distance in _STREAMABLE)
    return bool(times.is_between(earliest, latest).all(ignore_nulls=False))


class _Connection:
    """One call of the service that stays open, and answers each request in turn.

    The client library's own manager of such calls checks for an answer only once a second.
    """

    def __init__(self, clients: Clients, stream: str) -> None:
        self._requests: SimpleQueue[types.AppendRowsRequest | None] = SimpleQueue()
        # The transport's own call, because waiting for its answers can have a time-out.
        open_call: Callable[..., Any] = clients.writer.transport.append_rows
        self._call = open_call(
            self._until_closed(), metadata=(("x-goog-request-params", f"write_stream={stream}"),)
        )

    @property
    def is_open(self) -> bool:
        return bool(self._call.is_active())

    def send(self, request: types.AppendRowsRequest) -> None:
        """Send one request, and wait for its answer.

        Raises:
            GoogleAPICallError: The service refused it, or could not be reached in time.
        """
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            self._call.cancel()

        alarm = threading.Timer(CALL_SECONDS, give_up)
        alarm.daemon = True
        alarm.start()
        try:
            self._requests.put(request)
            answer = next(self._call)
        except StopIteration:
            raise exceptions.ServiceUnavailable("the service hung up") from None
        except grpc.RpcError as error:
            if given_up.is_set():
                raise exceptions.DeadlineExceeded("no answer to an append") from error
            raise exceptions.from_grpc_error(error) from error
        finally:
            alarm.cancel()
        if answer.error.code:
            raise exceptions.from_grpc_status(
                answer.error.code, answer.error.message, response=answer
            )

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()

    def _until_closed(self) -> Iterator[types.AppendRowsRequest]:
        return iter(self._requests.get, None)
