"""Amazon's side of a topic that announces a public bucket's objects: moto's S3, SNS and SQS.

What is published, and when, is the provider's business. moto keeps its state in memory, so it is
laid out anew at each start. Imported only where the simulator runs, since moto takes a while.
"""

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import boto3
import httpx
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.serving import make_server

from energy_platform.simulator.faults import Fault, FaultKind

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WIRE_FAULTS: Final = (
    FaultKind.SERVER_ERROR,
    FaultKind.HANG,
    FaultKind.CUT,
    FaultKind.TRUNCATED,
)
"""Faults that strike an answer of the bucket, whatever is in it."""

NextFault = Callable[[], Fault | None]
"""Says which of `WIRE_FAULTS` strikes the next answer, if any."""

_REGION: Final = "us-east-1"
_HOST: Final = "127.0.0.1"
_REMEMBERED: Final = 1_000
_SLOW_DOWN: Final = (
    b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)


@dataclass(frozen=True, slots=True)
class Cloud:
    """One bucket, the topic that announces its objects, and a queue subscribed to the topic."""

    s3: Any
    sns: Any
    bucket: str
    topic_arn: str
    queue: str

    def put(self, key: str, body: bytes) -> None:
        """Put an object that anyone may read."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ACL="public-read")

    def remove(self, key: str) -> None:
        """Remove an object."""
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def announce(self, key: str, body: bytes) -> None:
        """Publish the event by which S3 announces an object."""
        self.sns.publish(
            TopicArn=self.topic_arn,
            Subject="Amazon S3 Notification",
            Message=json.dumps(_event(self.bucket, key, body)),
        )
        self._forget()

    def _forget(self) -> None:
        """Keep moto from remembering for good what it sent, which nobody asks it for."""
        sns = sns_backends[DEFAULT_ACCOUNT_ID][_REGION]
        sns.topics[self.topic_arn].sent_notifications.clear()
        sns._message_public_keys.clear()  # noqa: SLF001 (moto offers no other way)
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][_REGION].queues[self.queue]
        if len(queue.deleted_messages) > _REMEMBERED:
            queue.deleted_messages.clear()


@asynccontextmanager
async def running(
    port: int, *, bucket: str, topic: str, queue: str, next_fault: NextFault
) -> AsyncIterator[Cloud]:
    """Serve S3, SNS and SQS on `port`, laid out anew, while the context lasts."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = _FaultyBucket(DomainDispatcherApplication(create_backend_app), bucket, next_fault)
    server = make_server(
        _HOST, port, application, threaded=True, request_handler=MotoRequestHandler
    )
    serving = threading.Thread(target=server.serve_forever, name="aws", daemon=True)
    serving.start()
    try:
        yield await asyncio.to_thread(
            _laid_out, f"http://{_HOST}:{port}", bucket=bucket, topic=topic, queue=queue
        )
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


def _laid_out(url: str, *, bucket: str, topic: str, queue: str) -> Cloud:
    httpx.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
    s3, sns, sqs = (
        boto3.client(
            service,
            endpoint_url=url,
            region_name=_REGION,
            aws_access_key_id="simulated",
            aws_secret_access_key="simulated",  # noqa: S106 (moto takes any)
            config=Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}),
        )
        for service in ("s3", "sns", "sqs")
    )
    s3.create_bucket(Bucket=bucket)
    topic_arn = sns.create_topic(Name=topic)["TopicArn"]
    queue_url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"])
    return Cloud(s3, sns, bucket, topic_arn, queue)


def _event(bucket: str, key: str, body: bytes) -> dict[str, Any]:
    """Return an event in the words of S3, whose key keeps its slashes."""
    now = datetime.now(UTC)
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": _REGION,
                "eventTime": stamp,
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AWS:SIMULATED"},
                "requestParameters": {"sourceIPAddress": _HOST},
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


class _FaultyBucket:
    """Stands before moto and acts faults out on the answers of the public bucket."""

    def __init__(self, application: "WSGIApplication", bucket: str, next_fault: NextFault) -> None:
        self._application = application
        self._path = f"/{bucket}/"
        self._next_fault = next_fault

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        public = "HTTP_AUTHORIZATION" not in environ
        if not (public and environ["PATH_INFO"].startswith(self._path)):
            return self._application(environ, start_response)
        fault = self._next_fault()
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
        """Answer half of a body; promise the whole of it, or only what comes."""
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
