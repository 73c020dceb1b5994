"""Talks to one InfluxDB server over HTTP: writes lines, queries, deletes, creates the bucket.

Every exchange has a time-out and a few retries. After the server failed to answer, calls fail at
once during a pause that grows, instead of waiting again. Callers build the lines and the queries.
"""

# ruff: noqa: S608 (InfluxQL is built from names that `identifier` has quoted, and numbers)

import json
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import polars as pl
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.retry import WritesRetry
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from energy_platform.errors import HotStoreUnavailableError, UsageError
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.instants import microseconds
from energy_platform.settings import InfluxApi
from energy_platform.storage.hot_store.influxdb import influxql

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

_log = logging.getLogger(__name__)

_RETENTION_POLICY: Final = "hot"
_SHARD: Final = "1d"
_TEN_YEARS_SECONDS: Final = 10 * 365 * 24 * 3600
"""`WritesRetry` counts `max_retry_time` from its own creation, which here is the process's start.
The number of tries bounds them instead.
"""
_LINES_REFUSED: Final = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_NO_SUCH_REQUEST: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
_DROPPED: Final = re.compile(r"dropped=(\d+)")
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_REASON_CHARACTERS: Final = 300
_EARLIEST: Final = datetime(1677, 9, 22, tzinfo=UTC)
_LATEST: Final = datetime(2262, 4, 11, tzinfo=UTC)

_T = TypeVar("_T")


class LinesRefusedError(Exception):
    """The server refused some lines of a write, and stored the others.

    Args:
        reason: The server's own words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        dropped = _DROPPED.search(reason)
        self.dropped = int(dropped[1]) if dropped else 0
        """How many lines the server left out, at least; it counts one cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        connect_seconds: The time-out for a connection.
        answer_seconds: The time-out for each piece of an answer.
        tries: How often an exchange is tried at most.
        first_pause_seconds: The first pause after the server failed to answer.
        longest_pause_seconds: The longest such pause.
    """

    connect_seconds: float = 3.0
    answer_seconds: float = 10.0
    tries: int = 2
    first_pause_seconds: float = 2.0
    longest_pause_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The server, the bucket and the credentials. Its text has neither token nor password.

    Attributes:
        url: The server's address.
        api: Which of the two write interfaces the server has.
        bucket: The bucket, or the database of a v1 server.
        organisation: The organisation; 2.x only.
        token: A token, or `user:password` for v1; None for a server without authentication.
        ca_file: Certificates to trust beside the system's.
        plain: Whether the token may go to another machine without TLS.
    """

    url: str
    api: InfluxApi
    bucket: str
    organisation: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    plain: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("the address of InfluxDB must be http://host:port or https://…")
        if parts.username or parts.password or parts.query:
            raise UsageError("the address of InfluxDB may hold neither a password nor a query")
        is_elsewhere = parts.scheme == "http" and parts.hostname not in _LOOPBACK
        if self.token and is_elsewhere and not self.plain:
            raise UsageError(
                f"{parts.hostname} is another machine: a token or password goes there by https://"
                " only"
            )

    def __repr__(self) -> str:
        return f"Login({self.url}, {self.api}, {self.bucket})"


class InfluxServer:
    """A connection to one server. Threads may share it.

    Args:
        login: The server, the bucket and the credentials.
        days: How many days of points the bucket is to keep.
        patience: How long to wait for the server.
    """

    def __init__(self, login: Login, *, days: int, patience: Patience | None = None) -> None:
        self._login = login
        self._days = days
        self._patience = patience or Patience()
        self._client: InfluxDBClient | None = None
        self._has_bucket = False
        self._failures = 0
        self._rests_until = 0.0
        self._why = ""

    def __repr__(self) -> str:
        return f"InfluxServer({self._login!r})"

    def close(self) -> None:
        """Close every connection; the next call opens them again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def write(self, lines: bytes) -> None:
        """Write lines of the line protocol, with times in microseconds.

        Raises:
            LinesRefusedError: The server refused some of the lines.
            HotStoreUnavailableError: The server does not answer, or can't take writes.
        """
        if not self._has_bucket:
            self._make_bucket()
        try:
            self._write(lines)
        except _NoBucketError:
            # The bucket was created before and has been deleted since.
            self._make_bucket()
            try:
                self._write(lines)
            except _NoBucketError as error:
                raise self._unavailable(f"answers: {error}") from None

    def query(self, statement: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """Run an InfluxQL statement; times in its answer are in microseconds.

        Raises:
            HotStoreUnavailableError: The server does not answer, or not with a result.
        """
        try:
            return self._query(statement, schema)
        except influxql.StatementError as error:
            if _says_no_bucket(str(error)):
                return pl.DataFrame(schema=schema)
            raise self._unavailable(f"answers: {error}") from None
        except _AnswerError as error:
            raise self._unavailable(str(error)) from None

    def delete(self, measurement: str, *, before: datetime | None = None) -> None:
        """Remove the points of a measurement, all of them or those older than an instant.

        A v1 login without administrator rights leaves the types of fields behind. InfluxDB 3 can't
        remove points; they stay until the retention ends them.

        Raises:
            HotStoreUnavailableError: The server does not answer, or can't delete.
        """
        if self._login.api is InfluxApi.V1:
            self._delete_v1(influxql.identifier(measurement), before)
        else:
            self._delete_v2(measurement, before)

    def _delete_v1(self, name: str, before: datetime | None) -> None:
        if before is not None:
            self.query(f"DELETE FROM {name} WHERE time < {microseconds(before)}u", {})
            return
        try:
            self._query(f"DROP MEASUREMENT {name}", {})
        except _AnswerError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise self._unavailable(str(error)) from None
            self.query(f"DROP SERIES FROM {name}", {})
        except influxql.StatementError as error:
            if not _says_no_bucket(str(error)):
                raise self._unavailable(f"answers: {error}") from None

    def _delete_v2(self, measurement: str, before: datetime | None) -> None:
        quoted = measurement.replace("\\", r"\\").replace('"', r"\"")
        stop = _LATEST if before is None else before - timedelta(microseconds=1)

        def delete(client: InfluxDBClient) -> None:
            client.delete_api().delete(
                _EARLIEST, stop, f'_measurement="{quoted}"', self._login.bucket
            )

        try:
            self._exchange(delete)
        except _AnswerError as error:
            if error.status not in _NO_SUCH_REQUEST:
                raise self._unavailable(str(error)) from None
            _log.warning("%s can't remove points of %s: %s", self._login.url, measurement, error)

    def _write(self, lines: bytes) -> None:
        def post(client: InfluxDBClient) -> None:
            if self._login.api is InfluxApi.V2:
                with client.write_api(write_options=SYNCHRONOUS) as api:
                    api.write(self._login.bucket, record=lines, write_precision="us")
            else:
                client.api_client.call_api(
                    "/write",
                    "POST",
                    query_params=[
                        ("db", self._login.bucket),
                        ("rp", _RETENTION_POLICY),
                        ("precision", "u"),
                    ],
                    header_params={"Content-Type": "text/plain; charset=utf-8"},
                    body=lines,
                )

        try:
            self._exchange(post)
        except _AnswerError as error:
            if error.status == HTTPStatus.NOT_FOUND and _says_no_bucket(error.reason):
                raise _NoBucketError(error.reason) from None
            if error.status in _LINES_REFUSED:
                raise LinesRefusedError(error.reason) from None
            raise self._unavailable(str(error)) from None

    def _query(self, statement: str, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
        policy = [("rp", _RETENTION_POLICY)] if self._login.api is InfluxApi.V1 else []

        def post(client: InfluxDBClient) -> pl.DataFrame:
            response: HTTPResponse = client.api_client.call_api(
                "/query",
                "POST",
                query_params=[
                    ("db", self._login.bucket), ("epoch", "u"), ("chunked", "true"), *policy
                ],
                header_params={"Content-Type": "application/x-www-form-urlencoded"},
                post_params=[("q", statement)],
                _preload_content=False,
                _return_http_data_only=True,
            )  # fmt: skip
            with closing(response):
                return influxql.rows(response, schema)

        return self._exchange(post)

    def _make_bucket(self) -> None:
        """Create the bucket and its retention if they are missing and the login may do so."""
        make = self._make_database if self._login.api is InfluxApi.V1 else self._make_v2_bucket
        try:
            make()
        except (influxql.StatementError, _AnswerError) as error:
            # The write that follows shows whether the bucket exists after all.
            _log.warning(
                "%s: bucket %s was not made: %s", self._login.url, self._login.bucket, error
            )
        self._has_bucket = True

    def _make_database(self) -> None:
        database, policy = map(influxql.identifier, (self._login.bucket, _RETENTION_POLICY))
        keeps = f"DURATION {self._days}d REPLICATION 1 SHARD DURATION {_SHARD}"
        tries = [
            f"CREATE DATABASE {database} WITH {keeps} NAME {policy}",
            # The bucket exists with another retention.
            f"CREATE RETENTION POLICY {policy} ON {database} {keeps}",
            f"ALTER RETENTION POLICY {policy} ON {database} {keeps}",
        ]
        for statement in tries[:-1]:
            try:
                self._query(statement, {})
            except influxql.StatementError as error:
                if not re.search("already exists|conflicts with", str(error)):
                    raise
            else:
                return
        self._query(tries[-1], {})

    def _make_v2_bucket(self) -> None:
        rule = BucketRetentionRules(type="expire", every_seconds=self._days * 24 * 3600)
        name = self._login.bucket

        def make(client: InfluxDBClient) -> None:
            buckets = client.buckets_api()
            if buckets.find_bucket_by_name(name) is None:
                buckets.create_bucket(bucket_name=name, retention_rules=rule)

        self._exchange(make)

    def _exchange(self, request: Callable[[InfluxDBClient], _T]) -> _T:
        """Make one request, unless the server failed to answer just now.

        Raises:
            _AnswerError: The server's answer is an error.
            HotStoreUnavailableError: The server does not answer, or says that it is in trouble.
        """
        if time.monotonic() < self._rests_until:
            raise HotStoreUnavailableError(self._why)
        try:
            answer = request(self._opened())
        except ApiException as error:
            status = int(error.status or 0)
            found = _AnswerError(status, _reason(error))
            if status < HTTPStatus.BAD_REQUEST or status >= HTTPStatus.TOO_MANY_REQUESTS:
                raise self._unavailable(str(found)) from None
            raise found from None
        except (HTTPError, OSError, json.JSONDecodeError) as error:
            raise self._unavailable(f"does not answer: {type(error).__name__}") from error
        self._failures = 0
        return answer

    def _unavailable(self, what: str) -> HotStoreUnavailableError:
        """Record that the server is in trouble, and return the error that says so."""
        self._failures += 1
        pause = pause_seconds(
            self._failures,
            first_seconds=self._patience.first_pause_seconds,
            longest_seconds=self._patience.longest_pause_seconds,
        )
        self._rests_until = time.monotonic() + pause
        self._why = f"InfluxDB at {self._login.url} {what}"
        return HotStoreUnavailableError(self._why)

    def _opened(self) -> InfluxDBClient:
        if self._client is None:
            patience, token = self._patience, self._login.token or ""
            self._client = InfluxDBClient(
                url=self._login.url,
                token=token,
                org=self._login.organisation or "",
                auth_basic=bool(token) and self._login.api is InfluxApi.V1,
                timeout=(patience.connect_seconds * 1000, patience.answer_seconds * 1000),
                ssl_context=_trusting(self._login.ca_file),
                retries=WritesRetry(
                    total=patience.tries - 1,
                    allowed_methods=["POST", "GET"],
                    redirect=False,
                    raise_on_status=False,
                    respect_retry_after_header=False,  # the server may ask for hours
                    retry_interval=0.2,
                    max_retry_delay=1,
                    max_retry_time=_TEN_YEARS_SECONDS,
                ),
            )
        return self._client


class _AnswerError(Exception):
    """The server answered with an error that a retry would not remove."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"answers {status}: {reason}")
        self.status = status
        self.reason = reason


class _NoBucketError(Exception):
    """There is no such bucket or database."""


def _says_no_bucket(reason: str) -> bool:
    return bool(
        re.search(
            r"(database|bucket|retention policy).*not found|not found.*(database|bucket)", reason
        )
    )


def _reason(error: ApiException) -> str:
    """Return the server's message, shortened and without headers."""
    body = error.body if error.body is not None else (error.message or error.reason)
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    if isinstance(said, Mapping):
        said = said.get("message") or said.get("error") or text
    return " ".join(str(said).split())[:_REASON_CHARACTERS] or "no reason"


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
