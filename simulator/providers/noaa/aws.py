"""NOAA's side of Amazon: a public bucket, the topic that announces its objects, and a queue.

What is published, and when, is the provider's business. Imported only where the simulator runs,
since moto takes a while.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from simulator import amazon
from simulator.world import World

_REGION: Final = "us-east-1"
_REMEMBERED: Final = 1_000


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
            Message=json.dumps(amazon.s3_event(self.bucket, _REGION, key, body)),
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
    world: World, *, bucket: str, topic: str, queue: str, next_fault: amazon.NextFault
) -> AsyncIterator[Cloud]:
    """Serve S3, SNS and SQS in a world, laid out anew, while the context lasts."""
    async with amazon.serving(world, bucket=bucket, next_fault=next_fault) as url:
        yield await asyncio.to_thread(_laid_out, url, bucket=bucket, topic=topic, queue=queue)


def _laid_out(url: str, *, bucket: str, topic: str, queue: str) -> Cloud:
    s3, sns, sqs = (amazon.client(url, service, _REGION) for service in ("s3", "sns", "sqs"))
    s3.create_bucket(Bucket=bucket)
    topic_arn = sns.create_topic(Name=topic)["TopicArn"]
    queue_url = sqs.create_queue(QueueName=queue)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn["Attributes"]["QueueArn"])
    return Cloud(s3, sns, bucket, topic_arn, queue)
