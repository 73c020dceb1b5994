"""A follower's client of a Valkey: it connects once, tries nothing again, and always closes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostError

FOLLOWER: Final = "energy-platform-follower"
"""The name by which a Valkey lists the connections that follow it."""
WAIT_SECONDS: Final = 5.0
"""How long one question waits for news."""
_PATIENCE_SECONDS: Final = 5.0
"""How much longer the Valkey may take to answer."""


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Redis]:
    """Yield a client that waits for news, tries nothing again, and connects once.

    By itself it would replace a connection that was lost between two questions and say nothing, and
    the follower would learn only from a question without an answer that the Valkey has begun anew.
    """
    connections = count()

    async def connect_once(connection: AbstractConnection) -> None:
        if next(connections):
            raise LostError("the connection was lost")
        await connection.on_connect()

    pool = _ClosedAtOnce.from_url(
        address,
        redis_connect_func=connect_once,
        socket_timeout=WAIT_SECONDS + _PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name=FOLLOWER,
    )
    try:
        yield Redis(connection_pool=pool)
    finally:
        await pool.aclose()


class _ClosedAtOnce(ConnectionPool):
    """Connections that close without waiting, so that no cancellation comes between.

    The client itself and its own pool close in tasks and wait for them; a follower that is
    cancelled meanwhile, as at the end of `asyncio.run`, would leave its connection open.
    """

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 (the client's signature)
        in_use = self._get_in_use_connections() if inuse_connections else ()
        for connection in [*self._get_free_connections(), *in_use]:
            await connection.disconnect(nowait=True)
