"""Connections to Google Pub/Sub: topics that are created when missing, and streams of messages.

Who publishes or reads what belongs to `live_bus` and `landing`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

import grpc
from google.api_core.exceptions import AlreadyExists, NotFound
from google.pubsub_v1 import (
    PublisherClient,
    PubsubMessage,
    ReceivedMessage,
    StreamingPullRequest,
    SubscriberAsyncClient,
    Topic,
)
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from energy_platform.storage.pubsub_address import CHANNEL, KEPT, PubSubAddress

PATIENCE_SECONDS: Final = 2.0
"""How long a publisher waits for an answer."""
ACKNOWLEDGED_SECONDS: Final = 60
"""Within this time a subscriber acknowledges a message; otherwise it comes again."""
_BEAT_SECONDS: Final = 30.0
"""How often Pub/Sub hears that a stream is still read."""


def publisher_transport(address: PubSubAddress) -> PublisherGrpcTransport:
    """Return a connection that publishes; it has credentials unless there is an emulator."""
    if address.emulator is None:
        channel = PublisherGrpcTransport.create_channel(options=CHANNEL)
    else:
        channel = grpc.insecure_channel(address.emulator, options=CHANNEL)
    return PublisherGrpcTransport(channel=channel)


def publish(client: PublisherClient, topic: str, messages: list[PubsubMessage]) -> None:
    """Publish messages by one call, to a topic that is created if it is missing.

    Raises:
        google.api_core.exceptions.GoogleAPIError: Pub/Sub does not answer, or refuses.
    """
    call = partial(
        client.publish,
        topic=topic,
        messages=messages,
        retry=None,
        timeout=PATIENCE_SECONDS,
    )
    try:
        call()
    except NotFound:
        create_topic(client, topic)
        call()


def create_topic(client: PublisherClient, topic: str) -> None:
    """Create a topic, unless another publisher has.

    Raises:
        google.api_core.exceptions.GoogleAPIError: Pub/Sub does not answer, or refuses.
    """
    try:
        client.create_topic(
            request=Topic(name=topic, message_retention_duration=KEPT),
            retry=None,
            timeout=PATIENCE_SECONDS,
        )
    except AlreadyExists:
        return


def subscriber(address: PubSubAddress) -> SubscriberAsyncClient:
    """Return a client that reads subscriptions; it has credentials unless there is an emulator."""
    if address.emulator is not None:
        channel = grpc.aio.insecure_channel(address.emulator, options=CHANNEL)
    else:
        channel = SubscriberGrpcAsyncIOTransport.create_channel(options=CHANNEL)
    return SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))


async def pulled(
    client: SubscriberAsyncClient, subscription: str, *, most: int
) -> AsyncIterator[Sequence[ReceivedMessage]]:
    """Yield what one stream brings, until Pub/Sub ends it, as it does from time to time.

    Args:
        client: The client.
        subscription: The subscription's name.
        most: How many messages are on their way before one is acknowledged.

    Raises:
        google.api_core.exceptions.GoogleAPIError: Pub/Sub does not answer, or refuses.
    """
    requests = _requests(subscription, most)
    stream = await client.streaming_pull(requests=requests, retry=None, timeout=None)
    async for answer in stream:
        if answer.received_messages:
            yield answer.received_messages


async def _requests(subscription: str, most: int) -> AsyncIterator[StreamingPullRequest]:
    """Yield what a stream is asked: for the messages first, then that it goes on."""
    yield StreamingPullRequest(
        subscription=subscription,
        stream_ack_deadline_seconds=ACKNOWLEDGED_SECONDS,
        max_outstanding_messages=most,
    )
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        yield StreamingPullRequest()
