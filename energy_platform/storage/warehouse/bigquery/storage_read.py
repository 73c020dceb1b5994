"""Rows of a stored table or of a query's result, by the Storage Read API as Arrow batches."""

from collections.abc import Collection, Iterator
from typing import Final

import pyarrow as pa
from google.api_core import exceptions
from google.cloud.bigquery import TableReference
from google.cloud.bigquery_storage_v1 import types

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.storage.warehouse.bigquery.client import Clients, patiently

STREAM_SECONDS: Final = 300.0
"""How long one call may stream; a call that brought rows is resumed where it ended."""


def batches(
    clients: Clients,
    table: TableReference,
    *,
    columns: Collection[str] = (),
    restriction: str = "",
) -> Iterator[pa.RecordBatch]:
    """Yield a table's rows, in no order, as they are at the moment of the first batch.

    Args:
        clients: BigQuery's clients.
        table: The table to read.
        columns: Only these columns; all, if empty.
        restriction: Only rows that fulfil this condition in SQL.

    Raises:
        NotFound: There is no such table.
        InvalidArgument: The table lacks a column.
        GoogleAPICallError: BigQuery refuses the read.
        WarehouseUnavailableError: BigQuery didn't answer in time.
    """
    session: types.ReadSession = patiently(
        clients.reader.create_read_session,
        parent=f"projects/{clients.rest.project}",
        read_session=types.ReadSession(
            table=f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}",
            data_format=types.DataFormat.ARROW,
            read_options=types.ReadSession.TableReadOptions(
                selected_fields=columns, row_restriction=restriction
            ),
        ),
        max_stream_count=1,
    )
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    for stream in session.streams:
        for message in _messages(clients, stream.name):
            body = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
            yield pa.ipc.read_record_batch(body, schema)


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
