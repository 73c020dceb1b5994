"""Follows topics of Pub/Sub from a place in each, by subscriptions of this follower's own.

A subscription begins at the place, since a topic keeps its messages, and ends with the follower;
that of a follower which was killed expires. A message is acknowledged before its reader has handled
it: a reader that died reads it again by its cursor, with another subscription. A place is a moment:
when Pub/Sub took the entry, in microseconds since 1970.

A follower without a cursor reads the last minutes too, and keeps of them only how far the source
was: so it finds out what is lost afterwards.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from google.api_core.exceptions import AlreadyExists, GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import (
    ExpirationPolicy,
    PubsubMessage,
    ReceivedMessage,
    SubscriberAsyncClient,
    Subscription,
)

from energy_platform.market.back_off import pause_seconds
from energy_platform.market.instants import instant, microseconds
from energy_platform.storage.live_bus.continuity import gap, is_after_a_loss
from energy_platform.storage.live_bus.cursor import BEGINNING, Place, cursor_of
from energy_platform.storage.live_bus.entries import Entry
from energy_platform.storage.live_bus.protocol import Message, OnLink, Rows
from energy_platform.storage.pubsub_address import KEPT, PubSubAddress
from energy_platform.storage.pubsub_topics import ACKNOWLEDGED_SECONDS, pulled, subscriber

_log = logging.getLogger(__name__)

_LOOK_BACK: Final = timedelta(minutes=3)
"""Within this time the hot lane has said how far a source is, be it quiet."""
_EXPIRES: Final = timedelta(days=1)
"""After how long an unused subscription goes; Pub/Sub allows no shorter time."""
_OUTSTANDING: Final = 16
"""How many messages of a source are on their way at most."""
_WAITING: Final = 64
"""How many messages of all sources wait for a slow reader."""
_PATIENCE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A message that was read."""

    source: str
    published_at: int
    entry: Entry


class PubSubFollower:
    """Reads the topics of some sources for ever.

    Args:
        address: Where topics and subscriptions are.
        sources: The sources' names.
        places: The place in each source's topic; a source without one is followed from now on.
        on_link: Called with why Pub/Sub is lost, and with None when it answers.
    """

    def __init__(
        self,
        address: PubSubAddress,
        sources: Sequence[str],
        places: Mapping[str, Place],
        on_link: OnLink | None = None,
    ) -> None:
        self._address = address
        self._on_link = on_link
        self._lost = set(sources)
        now = microseconds(datetime.now(UTC))
        # Every message's cursor has a place of each source.
        self._places = {name: places.get(name, Place(_entry(now))) for name in sources}
        for name, place in self._places.items():
            if _moment(place) > now:
                # The clock that it is from was ahead, so what the topic has is compared with it.
                self._places[name] = place._replace(entry=BEGINNING)
        self._begun = {
            name: _moment(place) for name, place in self._places.items() if place.stop is None
        }
        self._subscriptions = {name: address.subscription(name) for name in sources}
        self._arrived = asyncio.Queue[_Arrived | BaseException](_WAITING)

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield the messages after the places; connect again after each failure."""
        client = subscriber(self._address)
        readers = [asyncio.create_task(self._read(client, name)) for name in self._places]
        try:
            while True:
                arrived = await self._arrived.get()
                if isinstance(arrived, BaseException):
                    raise arrived
                message = self._message(arrived)
                if message is not None:
                    yield message
        finally:
            try:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
                await self._delete_subscriptions(client)
            finally:
                # Also where who follows is cancelled once more meanwhile.
                await client.transport.close()

    def _message(self, arrived: _Arrived) -> Message | None:
        """Move a source's place to a message; return what is told of it."""
        source, entry, place = arrived.source, arrived.entry, self._places[arrived.source]
        at, reached = arrived.published_at, _moment(place)
        if at < self._begun.get(source, 0):
            self._places[source] = Place(place.entry, entry.copy, entry.stop)
            return None
        if at < reached or (at == reached and entry.stop <= (place.stop or 0)):
            # Pub/Sub delivers some messages again.
            return None
        self._places[source] = Place(_entry(at), entry.copy, entry.stop)
        if is_after_a_loss(entry, place):
            return gap(source, place, self._places)
        return Rows(source, entry.rows(), cursor_of(self._places)) if entry.payload else None

    async def _read(self, client: SubscriberAsyncClient, source: str) -> None:
        """Hand over one source's messages for ever."""
        failures = 0
        while True:
            try:
                await self._subscribe(client, source)
                self._tell(source, None)
                stream = pulled(client, self._subscriptions[source], most=_OUTSTANDING)
                async for received in stream:
                    failures = 0
                    for one in received:
                        await self._arrived.put(_arrived(source, one.message))
                    await self._acknowledge(client, source, received)
                # Pub/Sub ends a stream from time to time.
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            except (GoogleAPIError, GoogleAuthError, OSError) as error:
                failures += 1
                self._tell(source, str(error))
                await _pause(source, error, failures)
            except Exception as error:  # noqa: BLE001 (who reads the messages gets the error)
                await self._arrived.put(error)
                return

    def _tell(self, source: str, why: str | None) -> None:
        """Say that the bus is lost, or that it answers for each of the sources."""
        if self._on_link is None:
            return
        if why is not None:
            self._lost.add(source)
            self._on_link(why)
        elif source in self._lost:
            self._lost.discard(source)
            if not self._lost:
                self._on_link(None)

    async def _subscribe(self, client: SubscriberAsyncClient, source: str) -> None:
        """Subscribe to a source's topic from its place on, unless that is done."""
        name, place = self._subscriptions[source], self._places[source]
        wanted = Subscription(
            name=name,
            topic=self._address.topic(source),
            enable_message_ordering=True,
            ack_deadline_seconds=ACKNOWLEDGED_SECONDS,
            message_retention_duration=KEPT,
            expiration_policy=ExpirationPolicy(ttl=_EXPIRES),
        )
        try:
            await client.create_subscription(request=wanted, retry=None, timeout=_PATIENCE_SECONDS)
        except AlreadyExists:
            return
        # The emulator's subscriptions begin with a topic's first message, and know no seeking.
        if self._address.emulator is None:
            look_back = _LOOK_BACK if place.stop is None else timedelta()
            await client.seek(
                request={"subscription": name, "time": instant(_moment(place)) - look_back},
                retry=None,
                timeout=_PATIENCE_SECONDS,
            )

    async def _acknowledge(
        self, client: SubscriberAsyncClient, source: str, received: Sequence[ReceivedMessage]
    ) -> None:
        await client.acknowledge(
            subscription=self._subscriptions[source],
            ack_ids=[one.ack_id for one in received],
            retry=None,
            timeout=_PATIENCE_SECONDS,
        )

    async def _delete_subscriptions(self, client: SubscriberAsyncClient) -> None:
        """Delete the subscriptions, as far as that is possible now."""
        await asyncio.gather(
            *(
                client.delete_subscription(subscription=name, retry=None, timeout=_PATIENCE_SECONDS)
                for name in self._subscriptions.values()
            ),
            return_exceptions=True,
        )


async def _pause(source: str, error: Exception, failures: int) -> None:
    pause = pause_seconds(
        failures, first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
    )
    _log.warning("%s: the live bus is down: %s; again in %.1f s", source, error, pause)
    await asyncio.sleep(pause)


def _entry(published_at: int) -> str:
    return f"{published_at}-0"


def _moment(place: Place) -> int:
    """Return when Pub/Sub took a place's entry.

    >>> _moment(Place("1796002000000000-0"))
    1796002000000000
    """
    return int(place.entry.partition("-")[0])


def _arrived(source: str, message: PubsubMessage) -> _Arrived:
    said = message.attributes
    entry = Entry(said["copy"], int(said["start"]), int(said["stop"]), message.data)
    return _Arrived(source, microseconds(message.publish_time), entry)
