"""A public bucket of Amazon, and the topic that announces its objects, with a queue.

The provider decides what is published, and when. moto is slow to import: import this module only
where the simulator runs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from simulator import amazon
from simulator.faults import NextFault
from simulator.world import World

US_EAST: Final = "us-east-1"
"""The region whose name an address of S3 may leave out."""
_REMEMBERED: Final = 1_000

Put = Callable[[str, bytes], Awaitable[dict[str, Any]]]
"""Puts an object that anyone may read, and returns the event by which S3 announces it."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """One bucket, the topic that announces its objects, and a queue subscribed to the topic."""

    s3: Any
    sns: Any
    bucket: str
    topic_arn: str
    queue: str
    region: str

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
            Message=json.dumps(amazon.s3_event(self.bucket, self.region, key, body)),
        )
        self._forget()

    def is_taken(self) -> bool:
        """Return whether every message of the queue has been received and deleted."""
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][self.region].queues[self.queue]
        waiting = queue.approximate_number_of_messages
        return waiting + queue.approximate_number_of_messages_not_visible == 0

    def _forget(self) -> None:
        """Delete what moto remembers of sent messages; it would keep them for ever."""
        sns = sns_backends[DEFAULT_ACCOUNT_ID][self.region]
        sns.topics[self.topic_arn].sent_notifications.clear()
        sns._message_public_keys.clear()  # noqa: SLF001 (moto offers no other way)
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][self.region].queues[self.queue]
        if len(queue.deleted_messages) > _REMEMBERED:
            queue.deleted_messages.clear()


@asynccontextmanager
async def running(  # noqa: PLR0913 (what Amazon is asked to lay out)
    world: World,
    *,
    bucket: str,
    topic: str,
    queue: str,
    next_fault: NextFault,
    region: str = US_EAST,
) -> AsyncIterator[Cloud]:
    """Serve S3, SNS and SQS in a world, laid out anew, while the context lasts."""
    async with amazon.serving(world, bucket=bucket, next_fault=next_fault) as url:
        yield await asyncio.to_thread(
            _laid_out, url, bucket=bucket, topic=topic, queue=queue, region=region
        )


@asynccontextmanager
async def a_bucket(world: World, bucket: str, *, region: str) -> AsyncIterator[Put]:
    """Serve a public bucket of S3 in a world, empty at first, while the context lasts."""
    async with amazon.serving(world, bucket=bucket, next_fault=lambda: None) as url:
        s3 = amazon.client(url, "s3", region)
        await asyncio.to_thread(_create, s3, bucket, region)

        async def put(key: str, body: bytes) -> dict[str, Any]:
            await asyncio.to_thread(
                s3.put_object, Bucket=bucket, Key=key, Body=body, ACL="public-read"
            )
            return amazon.s3_event(bucket, region, key, body)

        yield put


def _create(s3: Any, bucket: str, region: str) -> None:  # noqa: ANN401 (boto3 ships no types)
    where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **({} if region == US_EAST else where))


def _laid_out(url: str, *, bucket: str, topic: str, queue: str, region: str) -> Cloud:
    s3, sns, sqs = (amazon.client(url, service, region) for service in ("s3", "sns", "sqs"))
    _create(s3, bucket, region)
    topic_arn = sns.create_topic(Name=topic)["TopicArn"]
    queue_url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"])
    return Cloud(s3, sns, bucket, topic_arn, queue, region)
