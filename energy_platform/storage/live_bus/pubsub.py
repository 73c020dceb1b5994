"""The live bus in Google Pub/Sub: a topic per source, whose messages are in order by its key.

A topic keeps its messages for two hours, whoever follows it. It is created with the first message
if the publisher may do so. Calls are made in the publisher's own thread, one at a time per source,
so no more waits to be sent than the lane's threads hold.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

import polars as pl
from google.api_core.exceptions import GoogleAPIError, NotFound, PermissionDenied
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import PublisherClient, PubsubMessage

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.storage.live_bus.cursor import places_of
from energy_platform.storage.live_bus.entries import Entry, entries
from energy_platform.storage.live_bus.protocol import Figures, Message, OnLink
from energy_platform.storage.live_bus.pubsub_follower import PubSubFollower
from energy_platform.storage.pubsub_address import PubSubAddress
from energy_platform.storage.pubsub_topics import (
    PATIENCE_SECONDS,
    publish,
    publisher_transport,
)

_SENT_AT_ONCE: Final = 8
"""How many entries one request has; each is 1 MiB at most, and a request 10 MB."""


class PubSubBus:
    """A live bus in Pub/Sub. Any number of threads may publish.

    Args:
        address: Where topics and subscriptions are.
    """

    def __init__(self, address: PubSubAddress) -> None:
        self._address = address
        self._publisher: PublisherClient | None = None

    def publish(self, source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        """Publish the rows of a range of landing offsets; see `LiveBus`."""
        messages = [_message(source, one) for one in entries(rows, copy=copy, offsets=offsets)]
        try:
            for first in range(0, len(messages), _SENT_AT_ONCE):
                some = messages[first : first + _SENT_AT_ONCE]
                publish(self._client(), self._address.topic(source), some)
        except (GoogleAPIError, GoogleAuthError) as error:
            raise LiveBusUnavailableError(f"the live bus is down: {error}") from error

    def figures(self) -> Figures:
        """Check that Pub/Sub answers; its figures are in Google's Cloud Monitoring."""
        try:
            self._ask()
        except (GoogleAPIError, GoogleAuthError) as error:
            raise LiveBusUnavailableError(f"the live bus is down: {error}") from error
        return Figures()

    async def require(self) -> None:
        """Check that Pub/Sub answers; see `LiveBus`."""
        await asyncio.to_thread(self.figures)

    async def follow(
        self,
        sources: Iterable[str],
        cursor: str | None = None,
        *,
        on_link: OnLink | None = None,
        gather_seconds: float = 0.0,
    ) -> AsyncGenerator[Message, None]:
        """Yield what is published of these sources, for ever; see `LiveBus`.

        Pub/Sub brings messages as they come; nothing is gathered.
        """
        del gather_seconds
        names = list(sources)
        follower = PubSubFollower(self._address, names, places_of(cursor, names), on_link)
        async with aclosing(follower.messages()) as messages:
            async for message in messages:
                yield message

    def _ask(self) -> None:
        """Ask for a topic, which need not exist and may be somebody else's to read."""
        try:
            self._client().get_topic(
                topic=self._address.topic("any"), retry=None, timeout=PATIENCE_SECONDS
            )
        except (NotFound, PermissionDenied):
            return

    def _client(self) -> PublisherClient:
        if self._publisher is None:
            self._publisher = PublisherClient(transport=publisher_transport(self._address))
        return self._publisher


def _message(source: str, entry: Entry) -> PubsubMessage:
    attributes = {"copy": entry.copy, "start": str(entry.start), "stop": str(entry.stop)}
    return PubsubMessage(data=entry.payload, attributes=attributes, ordering_key=source)
