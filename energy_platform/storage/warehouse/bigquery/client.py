"""BigQuery's clients: REST for tables and jobs, gRPC for Storage Write and Storage Read.

This module decides which errors are retried, and reaches an emulator if one is set. The modules
beside it decide what is written and read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, ParamSpec, Self, TypeVar

import grpc
import requests
import stamina
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)

from energy_platform.errors import WarehouseUnavailableError

CALL_SECONDS: Final = 30.0
"""How long one call may take before it counts as failed."""

_APPEND_BYTES: Final = 9 * 2**20
"""The service takes 10 MB, the request's other parts included."""

_EMULATOR_APPEND_BYTES: Final = 3 * 2**20
"""An emulator's server takes gRPC's default of 4 MiB."""

_CHANNEL_OPTIONS: Final = [
    ("grpc.max_send_message_length", 64 * 2**20),
    ("grpc.max_receive_message_length", 128 * 2**20),
]

_PASSING: Final = (
    exceptions.Aborted,
    exceptions.BadGateway,
    exceptions.DeadlineExceeded,
    exceptions.GatewayTimeout,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.TooManyRequests,
    requests.ConnectionError,
    requests.Timeout,
)
"""The service or the way to it is down, or too much was asked at once."""

_QUOTA_REASONS: Final = {"rateLimitExceeded", "quotaExceeded", "jobRateLimitExceeded"}
"""The reasons for which a REST call answers 403 and gRPC RESOURCE_EXHAUSTED."""

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

_try = stamina.RetryingCaller(attempts=None, timeout=60.0, wait_initial=0.1, wait_max=10.0)


def passes(error: Exception) -> bool:
    """Return whether an error passes by itself, so that the same call may succeed later."""
    if isinstance(error, exceptions.Forbidden):
        reasons = {each.get("reason") for each in error.errors if isinstance(each, dict)}
        return bool(reasons & _QUOTA_REASONS)
    return isinstance(error, _PASSING)


def again(
    call: Callable[_Arguments, _Answer], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Answer:
    """Make a repeatable call, and repeat it later if its error passes by itself.

    Raises:
        WarehouseUnavailableError: The error had not passed after a minute.
    """
    try:
        return _try(passes, call, *args, **kwargs)
    except Exception as error:
        if passes(error):
            raise WarehouseUnavailableError(f"BigQuery does not answer: {error}") from error
        raise


def patiently(call: Callable[..., _Answer], *args: object, **kwargs: object) -> _Answer:
    """Make a call of one of the clients `again`, each time for at most `CALL_SECONDS`."""
    return again(call, *args, retry=None, timeout=CALL_SECONDS, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Clients:
    """BigQuery's three clients, and the dataset that they work in.

    Attributes:
        dataset: `project.dataset`.
        location: Where the dataset is, or will be created.
        rest: Tables, load jobs and queries; its project is billed.
        writer: Storage Write API.
        reader: Storage Read API.
        append_bytes: How large a request to append rows may be.
    """

    dataset: bigquery.DatasetReference
    location: str
    rest: bigquery.Client
    writer: BigQueryWriteClient
    reader: BigQueryReadClient
    append_bytes: int

    @classmethod
    def open(
        cls,
        *,
        project: str,
        dataset: str,
        location: str,
        emulator: str | None = None,
        emulator_grpc: str | None = None,
    ) -> Self:
        """Open the clients of a project, with the credentials of the environment.

        Args:
            project: The project that is billed and has the dataset.
            dataset: The dataset.
            location: Where the dataset is, or will be created.
            emulator: Address of an emulator to use instead, e.g. `http://127.0.0.1:9050`; it gets
                no credentials.
            emulator_grpc: The emulator's Storage API, as host:port.
        """
        if emulator is None or emulator_grpc is None:
            rest = bigquery.Client(project=project, location=location)
            writer, reader = BigQueryWriteClient(), BigQueryReadClient()
        else:
            rest = emulator_client(project, emulator)
            to_write, to_read = (
                grpc.insecure_channel(emulator_grpc, options=_CHANNEL_OPTIONS) for _ in range(2)
            )
            writer = BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=to_write))
            reader = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=to_read))
        return cls(
            dataset=bigquery.DatasetReference(project, dataset),
            location=location,
            rest=rest,
            writer=writer,
            reader=reader,
            append_bytes=_APPEND_BYTES if emulator is None else _EMULATOR_APPEND_BYTES,
        )

    def close(self) -> None:
        """Close the connections."""
        self.rest.close()
        self.writer.transport.close()
        self.reader.transport.close()


def emulator_client(project: str, address: str) -> bigquery.Client:
    """Return the REST client of an emulator.

    Args:
        project: Any project's name.
        address: The emulator's address, e.g. `http://127.0.0.1:9050`.
    """
    return bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=address),
    )


def storage_path(table: bigquery.TableReference) -> str:
    """Return a table's address as the Storage APIs write it."""
    return f"projects/{table.project}/datasets/{table.dataset_id}/tables/{table.table_id}"
