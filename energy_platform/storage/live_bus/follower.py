"""Follows streams of a Valkey from a place in each, across its outages and its losses."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Final, cast

from redis import RedisError
from redis.asyncio import Redis

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.market.back_off import pause_seconds
from energy_platform.storage.live_bus.continuity import gap, is_after_a_loss
from energy_platform.storage.live_bus.cursor import BEGINNING, Place, cursor_of
from energy_platform.storage.live_bus.entries import Entry
from energy_platform.storage.live_bus.follower_client import WAIT_SECONDS, connected
from energy_platform.storage.live_bus.protocol import Message, OnLink, Rows
from energy_platform.storage.live_bus.streams import source_of, stream

_log = logging.getLogger(__name__)

_ENTRIES: Final = 16
"""How many entries of each stream are read at once; one at a time after a failure, since a Valkey
disconnects clients that read too much.
"""
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0

_Stored = tuple[bytes, dict[bytes, bytes]]
"""An entry as the client returns it: its id and its fields."""


class Follower:
    """Reads the streams of some sources for ever.

    Args:
        address: Returns the Valkey's URL; asked again after each failure.
        sources: The sources' names.
        places: The place in each source's stream; a source without one is followed from now on.
        on_link: Called with why the Valkey is lost, and with None when it answers.
        gather_seconds: How long to wait after each answer, so that the next one has more.
    """

    def __init__(
        self,
        address: Callable[[], str],
        sources: Sequence[str],
        places: dict[str, Place],
        on_link: OnLink | None = None,
        gather_seconds: float = 0.0,
    ) -> None:
        self._address = address
        self._sources = sources
        self._places = places
        self._on_link = on_link
        self._gather_seconds = gather_seconds
        self._failures = 0

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield the messages after the places; connect again after each failure."""
        while True:
            try:
                async with connected(self._address()) as client:
                    gaps = await self._begin(client)
                    self._tell(None)
                    for message in gaps:
                        yield message
                    while True:
                        await _end_if_cancelled()
                        for message in await self._next(client):
                            yield message
                        # Without a need to wait, the next question finds a connection that is lost.
                        if self._gather_seconds:
                            await asyncio.sleep(self._gather_seconds)
            except (RedisError, OSError, LiveBusUnavailableError) as error:
                self._failures += 1
                self._tell(str(error))
                pause = pause_seconds(
                    self._failures,
                    first_seconds=_FIRST_PAUSE_SECONDS,
                    longest_seconds=_LONGEST_PAUSE_SECONDS,
                )
                _log.warning("the live bus is down: %s; again in %.1f s", error, pause)
                await asyncio.sleep(pause)

    def _tell(self, why: str | None) -> None:
        if self._on_link is not None:
            self._on_link(why)

    async def _begin(self, client: Redis) -> list[Message]:
        """Compare the places with the streams of a Valkey that may have begun anew meanwhile."""
        messages: list[Message] = []
        stored = {source: await _newest(client, source) for source in self._sources}
        # Every message's cursor has a place of each source.
        self._places = stored | self._places
        for source, newest in stored.items():
            place = self._places[source]
            if _number(newest.entry) < _number(place.entry):
                # What an empty stream gets next may still join the rows that were read last.
                is_empty = newest.stop is None
                self._places[source] = place._replace(entry=BEGINNING) if is_empty else newest
                messages.append(gap(source, place, self._places))
        return messages

    async def _next(self, client: Redis) -> list[Message]:
        """Return what the streams have after the places, as soon as one has something."""
        after = {stream(source): self._places[source].entry for source in self._sources}
        answer = await client.xread(
            after,  # type: ignore[arg-type] # dict is invariant
            count=1 if self._failures else _ENTRIES,
            block=int(WAIT_SECONDS * 1000),
        )
        if not answer and await self._has_begun_anew(client):
            return await self._begin(client)
        messages: list[Message] = []
        for name, stored in cast("list[tuple[bytes, list[_Stored]]]", answer or []):
            source = source_of(name)
            if self._missed(source, stored):
                place = self._places[source]
                self._places[source] = await _newest(client, source)
                messages.append(gap(source, place, self._places))
            else:
                messages.extend(self._rows(source, stored))
        self._failures = 0
        return messages

    async def _has_begun_anew(self, client: Redis) -> bool:
        """Return whether a stream is gone, as from a Valkey that was emptied."""
        known = [name for name, place in self._places.items() if place.entry != BEGINNING]
        return bool(known) and await client.exists(*map(stream, known)) < len(known)

    def _missed(self, source: str, stored: Sequence[_Stored]) -> bool:
        """Return whether rows are missing before or between these entries."""
        place = self._places[source]
        for name, fields in stored:
            entry = Entry.of(fields)
            if is_after_a_loss(entry, place):
                return True
            place = Place(name.decode(), entry.copy, entry.stop)
        return False

    def _rows(self, source: str, stored: Sequence[_Stored]) -> Iterator[Rows]:
        for name, fields in stored:
            entry = Entry.of(fields)
            self._places[source] = Place(name.decode(), entry.copy, entry.stop)
            if entry.payload:
                yield Rows(source, entry.rows(), cursor_of(self._places))


async def _end_if_cancelled() -> None:
    """Raise a cancellation that came while the reader was busy.

    The client looks for leftovers of an answer with a timeout of zero, and asyncio takes a
    cancellation that waits at that moment for this timeout.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        await asyncio.sleep(0)
        raise asyncio.CancelledError


async def _newest(client: Redis, source: str) -> Place:
    """Return the place after the newest entry of a source's stream."""
    newest = cast("list[_Stored]", await client.xrevrange(stream(source), count=1))
    if not newest:
        return Place()
    [(name, fields)] = newest
    entry = Entry.of(fields)
    return Place(name.decode(), entry.copy, entry.stop)


def _number(entry: str) -> tuple[int, int]:
    """Return an entry's id as numbers, which have an order.

    >>> _number("9-0") < _number("10-0")
    True
    """
    milliseconds, _, count = entry.partition("-")
    return int(milliseconds), int(count)
