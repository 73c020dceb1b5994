"""Notifications of landings between machines, through Google Pub/Sub.

A message says which landing offsets of a source have become durable: the record of
`deploy/terraform/schemas/landed.avsc` as JSON, with the source as ordering key. It is a hint and no
log, as the pipe of `news` is on one machine: a message that is lost, late or doubled delays a hot
lane and changes nothing that it shows. So the lane's subscription does not ask for order, and a
message that can't be read holds up none. Rows are not published here; `live_bus` does that.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from typing import Final

from google.api_core.exceptions import AlreadyExists, GoogleAPIError, PermissionDenied
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import (
    DeadLetterPolicy,
    PublisherClient,
    PubsubMessage,
    SubscriberAsyncClient,
    Subscription,
)

from energy_platform.market.back_off import pause_seconds
from energy_platform.storage.pubsub_address import KEPT, PubSubAddress
from energy_platform.storage.pubsub_topics import (
    ACKNOWLEDGED_SECONDS,
    PATIENCE_SECONDS,
    create_topic,
    publish,
    publisher_transport,
    pulled,
    subscriber,
)

_log = logging.getLogger(__name__)

_OUTSTANDING: Final = 256
"""How many messages a listener is sent before it has acknowledged any."""
_ATTEMPTS: Final = 5
"""How often a message that can't be read is delivered, before it is a dead letter."""
_ACKNOWLEDGED_SECONDS: Final = 30
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


class LandedTopic:
    """Tells the topic what has landed, in a thread of its own. Threads may share it.

    What has not been told yet waits as one range of offsets per source, so it stays small however
    long Pub/Sub is away; what waits when the process ends is not told.

    Args:
        address: Where topics and subscriptions are.
    """

    def __init__(self, address: PubSubAddress) -> None:
        self._address = address
        self._untold: dict[str, range] = {}
        self._changed = Condition()
        self._thread: Thread | None = None

    def __call__(self, source_name: str, offsets: range) -> None:
        """Have the offsets told soon; nobody waits for it."""
        with self._changed:
            self._add(source_name, offsets)
            if self._thread is None:
                self._thread = Thread(target=self._tell_for_ever, name="landed topic", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _add(self, source_name: str, offsets: range) -> None:
        waits = self._untold.get(source_name, offsets)
        both = range(min(waits.start, offsets.start), max(waits.stop, offsets.stop))
        self._untold[source_name] = both

    def _tell_for_ever(self) -> None:
        client = PublisherClient(transport=publisher_transport(self._address))
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._untold)
                told, self._untold = self._untold, {}
            messages = [_message(source_name, offsets) for source_name, offsets in told.items()]
            try:
                publish(client, self._address.landed_topic, messages)
            except (GoogleAPIError, GoogleAuthError) as error:
                failures += 1
                self._failed(told, failures, error)
            else:
                failures = 0

    def _failed(self, told: Mapping[str, range], failures: int, error: Exception) -> None:
        """Keep what could not be told for the next time, and pause."""
        with self._changed:
            for source_name, offsets in told.items():
                self._add(source_name, offsets)
        pause = _pause_seconds(failures)
        _log.warning("what has landed is not told: %s; again in %.1f s", error, pause)
        time.sleep(pause)


class LandedListener:
    """The hot lane's subscription to the topic.

    Args:
        address: Where topics and subscriptions are.
    """

    def __init__(self, address: PubSubAddress) -> None:
        self._address = address

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` with each source's name until cancelled."""
        failures = 0
        while True:
            began, client = time.monotonic(), subscriber(self._address)
            try:
                await self._subscribe(client)
                await self._pull(client, heard)
                # Pub/Sub ends a stream from time to time.
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            except (GoogleAPIError, GoogleAuthError, OSError) as error:
                lasted = time.monotonic() - began
                failures = 1 if lasted > _LONGEST_PAUSE_SECONDS else failures + 1
                pause = _pause_seconds(failures)
                _log.warning("landings are not heard of: %s; again in %.1f s", error, pause)
                await asyncio.sleep(pause)
            finally:
                await client.transport.close()

    async def _subscribe(self, client: SubscriberAsyncClient) -> None:
        """Create the subscription and its topics, where they are missing and this account may."""
        wanted = Subscription(
            name=self._address.landed_subscription,
            topic=self._address.landed_topic,
            ack_deadline_seconds=ACKNOWLEDGED_SECONDS,
            message_retention_duration=KEPT,
            dead_letter_policy=DeadLetterPolicy(
                dead_letter_topic=self._address.dead_topic, max_delivery_attempts=_ATTEMPTS
            ),
        )
        with contextlib.suppress(AlreadyExists, PermissionDenied):
            await asyncio.to_thread(self._create_topics)
            await client.create_subscription(request=wanted, retry=None, timeout=PATIENCE_SECONDS)

    def _create_topics(self) -> None:
        with PublisherClient(transport=publisher_transport(self._address)) as topics:
            for topic in (self._address.landed_topic, self._address.dead_topic):
                create_topic(topics, topic)

    async def _pull(self, client: SubscriberAsyncClient, heard: Callable[[str], None]) -> None:
        subscription = self._address.landed_subscription
        async for received in pulled(client, subscription, most=_OUTSTANDING):
            names = {one.ack_id: _source_of(one.message) for one in received}
            read = [ack_id for ack_id, name in names.items() if name is not None]
            for name in {name for name in names.values() if name is not None}:
                heard(name)
            if read:
                await client.acknowledge(
                    subscription=subscription, ack_ids=read, retry=None, timeout=PATIENCE_SECONDS
                )
            if refused := [ack_id for ack_id, name in names.items() if name is None]:
                await client.modify_ack_deadline(
                    subscription=subscription,
                    ack_ids=refused,
                    ack_deadline_seconds=0,
                    retry=None,
                    timeout=PATIENCE_SECONDS,
                )


def _source_of(message: PubsubMessage) -> str | None:
    """Return the source that a message names; None if it can't be read."""
    try:
        return str(json.loads(message.data)["source"])
    except (ValueError, LookupError, TypeError) as error:
        _log.warning("a message about a landing can't be read: %r", error)
        return None


def _message(source_name: str, offsets: range) -> PubsubMessage:
    said = {"source": source_name, "start": offsets.start, "stop": offsets.stop}
    return PubsubMessage(data=json.dumps(said).encode(), ordering_key=source_name)


def _pause_seconds(failures: int) -> float:
    return pause_seconds(
        failures, first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
    )
