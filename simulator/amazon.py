"""Amazon as the simulated providers use it: moto's S3, SNS and SQS on one port, for all of them.

Each provider creates its own buckets, topics and queues, and decides what it publishes. moto keeps
its state in memory, so providers create everything again at each start. moto is slow to import:
import this module only where the simulator runs.
"""

import hashlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
from botocore.config import Config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from energy_platform.operations.strangers import REFUSAL, is_of_a_page
from simulator.faults import FaultKind, NextFault
from simulator.listeners import HOST
from simulator.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WIRE_FAULTS: Final = (
    FaultKind.SERVER_ERROR,
    FaultKind.HANG,
    FaultKind.CUT,
    FaultKind.TRUNCATED,
)
"""Faults that may strike any answer of a bucket."""

_SLOW_DOWN: Final = (
    b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)
_REFUSAL: Final = REFUSAL.encode()


@asynccontextmanager
async def serving(world: World, *, bucket: str, next_fault: NextFault) -> AsyncIterator[str]:
    """Serve Amazon in a world while the context lasts, and yield its address.

    Several providers of a world share the server. Each has its own bucket; its faults strike the
    public answers of this bucket.
    """
    world.bucket_faults[bucket] = next_fault
    try:
        async with world.amazon.used(partial(_started, world)):
            yield world.amazon_url
    finally:
        del world.bucket_faults[bucket]


def _started(world: World) -> BaseWSGIServer:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = DomainDispatcherApplication(create_backend_app)
    application = _FaultyBuckets(moto, world.bucket_faults, host=world.host)
    listener = world.listeners.socket("amazon")
    server = make_server(
        world.host,
        world.listeners.port("amazon"),
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listener.fileno(),
    )
    threading.Thread(target=server.serve_forever, name="aws", daemon=True).start()
    httpx.post(f"{world.amazon_url}/moto-api/reset", timeout=60).raise_for_status()
    return server


def client(url: str, service: str, region: str) -> Any:  # noqa: ANN401 (boto3 ships no types)
    """Return a client of one of Amazon's services at `url`."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="simulated",
        aws_secret_access_key="simulated",  # noqa: S106 (moto takes any)
        config=Config(connect_timeout=30, read_timeout=60, retries={"total_max_attempts": 2}),
    )


def s3_event(bucket: str, region: str, key: str, body: bytes) -> dict[str, Any]:
    """Return the event by which S3 announces an object, in its words; the key keeps its slashes."""
    now = datetime.now(UTC)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": region,
                "eventTime": stamp,
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:SIMULATED"},
                "requestParameters": {"sourceIPAddress": HOST},
                "responseElements": {"x-amz-request-id": "SIMULATED", "x-amz-id-2": "SIMULATED"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "simulated",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "SIMULATED"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": key,
                        "size": len(body),
                        "eTag": hashlib.md5(body, usedforsecurity=False).hexdigest(),
                        "sequencer": f"{time.time_ns():018X}",
                    },
                },
            }
        ]
    }


class _FaultyBuckets:
    """Passes requests to moto, and applies faults to the answers of public buckets."""

    def __init__(
        self, application: "WSGIApplication", faults: Mapping[str, NextFault], *, host: str = HOST
    ) -> None:
        self._application = application
        self._faults = faults
        self._host = host

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request; none of a web page, which could publish by a mere link."""
        if is_of_a_page(_headers(environ), host=self._host):
            start_response("403 Forbidden", [("Content-Length", str(len(_REFUSAL)))])
            return [_REFUSAL]
        bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        public = key and "HTTP_AUTHORIZATION" not in environ
        next_fault = self._faults.get(bucket) if public else None
        fault = next_fault() if next_fault is not None else None
        if fault is None:
            return self._application(environ, start_response)
        if fault.kind is FaultKind.SERVER_ERROR:
            start_response("503 Slow Down", [("Content-Length", str(len(_SLOW_DOWN)))])
            return [_SLOW_DOWN]
        if fault.kind is FaultKind.HANG:
            time.sleep(fault.seconds)
        return self._half(environ, start_response, whole=fault.kind is not FaultKind.TRUNCATED)

    def _half(
        self, environ: "WSGIEnvironment", start_response: "StartResponse", *, whole: bool
    ) -> Iterable[bytes]:
        """Answer half of a body; the stated length is that of the whole body, or of the half."""
        answered: list[Any] = []

        def note(status: str, headers: list[tuple[str, str]], *_: object) -> Any:  # noqa: ANN401
            answered[:] = status, headers
            return lambda _data: None

        body = b"".join(self._application(environ, note))
        status, headers = answered
        half = body[: len(body) // 2]
        length = len(body) if whole else len(half)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        # The server closes the connection at the end of an answer.
        start_response(status, [*kept, ("Content-Length", str(length)), ("Connection", "close")])
        return [half]


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    """Return a request's headers, their names in lower case."""
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
