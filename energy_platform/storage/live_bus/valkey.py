"""The live bus in streams of a Valkey that has a memory limit and evicts nothing by itself.

Old entries go by age. Where the memory is used up before that, the largest stream loses its oldest
entries, so a busy source does not shorten the memory of a quiet one. The newest entry of a stream
always stays: a follower finds by it what it has missed.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import polars as pl
from redis import OutOfMemoryError, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.storage.live_bus.cursor import places_of
from energy_platform.storage.live_bus.entries import Entry, entries
from energy_platform.storage.live_bus.follower import Follower
from energy_platform.storage.live_bus.follower_client import FOLLOWER, connected
from energy_platform.storage.live_bus.protocol import Figures, Message, OnLink
from energy_platform.storage.live_bus.streams import PREFIX, stream

_KEPT: Final = timedelta(hours=2)
"""How long entries are kept, if the memory suffices."""
_PATIENCE_SECONDS: Final = 1.0
"""How long the hot lane waits for a Valkey that does not answer."""
_TRIMS: Final = 16
"""How often entries are dropped to make room for one entry."""
_DROPPED: Final = ("evicted_clients", "client_output_buffer_limit_disconnections")
"""Where a Valkey counts clients that it disconnected because they read too slowly."""
_KEPT_SHARE: Final = 7 / 8
"""The share of the largest stream's entries that stays when memory is used up."""


class ValkeyBus:
    """A live bus in the streams of a Valkey. Any number of threads may publish.

    Args:
        address: Returns the URL for followers, password included; asked again after each failure,
            since a platform that is started again has other passwords.
        publisher: Returns the URL for whoever publishes.
    """

    def __init__(self, address: Callable[[], str], *, publisher: Callable[[], str]) -> None:
        self._address = address
        self._publisher = publisher
        self._client: Redis | None = None

    def publish(self, source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        """Publish the rows of a range of landing offsets; see `LiveBus`."""
        try:
            client = self._client = self._client or _connected(self._publisher())
            for entry in entries(rows, copy=copy, offsets=offsets):
                _add(client, source, entry)
        except (RedisError, OSError) as error:
            self._client = None
            raise LiveBusUnavailableError(f"the live bus is down: {error}") from error

    def figures(self) -> Figures:
        """Return what the Valkey knows of itself; see `LiveBus`."""
        try:
            with _connected(self._address()) as client:
                return _figures(client)
        except (RedisError, OSError) as error:
            raise LiveBusUnavailableError(f"the live bus is down: {error}") from error

    async def require(self) -> None:
        """Check that the Valkey answers; see `LiveBus`."""
        try:
            async with connected(self._address()) as client:
                await client.ping()
        except (RedisError, OSError) as error:
            raise LiveBusUnavailableError(f"the live bus is down: {error}") from error

    async def follow(
        self,
        sources: Iterable[str],
        cursor: str | None = None,
        *,
        on_link: OnLink | None = None,
        gather_seconds: float = 0.0,
    ) -> AsyncGenerator[Message, None]:
        """Yield what is published of these sources, for ever; see `LiveBus`."""
        names = list(sources)
        places = places_of(cursor, names)
        follower = Follower(self._address, names, places, on_link, gather_seconds)
        async with aclosing(follower.messages()) as messages:
            async for message in messages:
                yield message


def _connected(address: str) -> Redis:
    return Redis.from_url(
        address,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _add(client: Redis, source: str, entry: Entry) -> None:
    """Add an entry to a source's stream, and drop entries that are too old or too many.

    Raises:
        redis.OutOfMemoryError: There is no room, and nothing to drop.
    """
    for _ in range(_TRIMS):
        oldest = int((time.time() - _KEPT.total_seconds()) * 1000)
        try:
            client.xadd(stream(source), entry.fields(), minid=oldest)  # type: ignore[arg-type] # dict is invariant
        except OutOfMemoryError:
            if not _drop_of_the_largest(client):
                raise
        else:
            return
    raise OutOfMemoryError(f"there is no room for an entry of {source}")


def _figures(client: Redis) -> Figures:
    told = client.info()
    lengths = client.pipeline(transaction=False)
    for name in client.scan_iter(f"{PREFIX}*"):
        lengths.xlen(name)
    return Figures(
        entries=sum(lengths.execute()),
        used_bytes=told["used_memory"],
        bound_bytes=told["maxmemory"],
        followers=sum(one["name"] == FOLLOWER for one in client.client_list()),
        dropped_followers=told["evicted_clients"]
        + told["client_output_buffer_limit_disconnections"],
    )


def _drop_of_the_largest(client: Redis) -> bool:
    """Drop the oldest entries of the stream that takes most memory; return whether one can be."""
    streams = list(client.scan_iter(f"{PREFIX}*"))
    asked = client.pipeline(transaction=False)
    for name in streams:
        asked.xlen(name)
        asked.memory_usage(name)
    answers = asked.execute()
    sizes = zip(answers[1::2], answers[::2], streams, strict=True)
    _, length, name = max(
        ((size or 0, length, name) for size, length, name in sizes if length > 1),
        default=(0, 0, b""),
    )
    if not length:
        return False
    client.xtrim(name, maxlen=max(1, int(length * _KEPT_SHARE)), approximate=False)
    return True
