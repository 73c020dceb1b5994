"""Follows a platform on another machine: the dashboard's `/api/follow`, over its outages.

Each connection goes on from the last update that came. One that was lost before the first update
has no place to go on from, so who follows is told of a gap.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import orjson
import polars as pl

from energy_platform.errors import LiveBusUnavailableError, UsageError
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.update import Update, UpdateKind, read_arrow_line
from energy_platform.reading.where import Where

_log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 40.0
"""The server says every ten seconds that it is there."""
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
_NOWHERE: Final = "{}"
"""The cursor of who has no place yet: from now on."""
_DATA: Final = "data: "


class _LostError(Exception):
    """The server does not answer, or no longer."""


async def remote_updates(
    sources: Mapping[str, MarketSource],
    where: Where,
    since: str | None,
    address: str,
    token: str | None,
) -> AsyncGenerator[Update, None]:
    """Yield the updates of sources from the dashboard at an address, for ever.

    Raises:
        UsageError: The dashboard refuses the question, or the token.
        LiveBusUnavailableError: It can't be reached the first time.
    """
    cursor, was_there, failures = since, False, 0
    asked = {"sources": ",".join(sources), "where": _json(where), "format": "arrow"}
    async with _client(address, token) as client:
        while True:
            try:
                async with aclosing(_lines(client, asked, cursor)) as lines:
                    async for line in lines:
                        if was_there and line is None and cursor is None:
                            for update in _unknown(sources.values()):
                                yield update
                        was_there, failures = True, 0
                        if line is not None:
                            update = _read(line, sources)
                            yield update
                            cursor = update.cursor
            except _LostError as lost:
                if not was_there:
                    raise LiveBusUnavailableError(f"{address} can't be followed: {lost}") from None
                failures += 1
                pause = pause_seconds(
                    failures,
                    first_seconds=_FIRST_PAUSE_SECONDS,
                    longest_seconds=_LONGEST_PAUSE_SECONDS,
                )
                _log.warning("%s can't be followed: %s; again in %.1f s", address, lost, pause)
                await asyncio.sleep(pause)


async def _lines(
    client: httpx.AsyncClient, asked: Mapping[str, str], cursor: str | None
) -> AsyncGenerator[str | None, None]:
    """Yield None once the server follows, and then the text of each update.

    Raises:
        UsageError: The server refuses.
        _LostError: The server can't be reached, or is lost.
    """
    params = {**asked, **({} if cursor is None else {"cursor": cursor})}
    try:
        async with client.stream("GET", "/api/follow", params=params) as answer:
            if answer.is_error or answer.is_redirect:
                _refuse(answer.status_code, await answer.aread())
            yield None
            async for line in answer.aiter_lines():
                if line.startswith(_DATA):
                    yield line.removeprefix(_DATA)
    except (httpx.TransportError, httpx.StreamError) as error:
        raise _LostError(str(error) or type(error).__name__) from None
    raise _LostError("the server has closed the connection")


def _refuse(status: int, body: bytes) -> None:
    try:
        said = str(orjson.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise _LostError(said)
    raise UsageError(said)


def _read(line: str, sources: Mapping[str, MarketSource]) -> Update:
    try:
        return read_arrow_line(line, sources[orjson.loads(line)["source"]])
    except (ValueError, KeyError, TypeError) as error:
        raise _LostError(f"an update can't be read: {error}") from None


def _unknown(sources: Iterable[MarketSource]) -> list[Update]:
    """Return that rows may be missing of sources, without knowing from where on."""
    reason = "the connection was lost before it had brought an update"
    return [
        Update(
            kind=UpdateKind.GAP,
            source=source.name,
            rows=pl.DataFrame(schema=market_table(source).dtypes),
            cursor=_NOWHERE,
            since=0,
            reason=reason,
        )
        for source in sources
    ]


def _client(address: str, token: str | None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    timeout = httpx.Timeout(_CONNECT_SECONDS, read=_QUIET_SECONDS)
    try:
        return httpx.AsyncClient(base_url=address, headers=headers, timeout=timeout)
    except httpx.InvalidURL as error:
        raise UsageError(f"not an address: {address!r}: {error}") from None


def _json(where: Where) -> str:
    """Return conditions as JSON; instants are ISO 8601."""

    def said(value: Any) -> Any:  # noqa: ANN401 (what JSON can't say by itself)
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat()
        return list(value)

    return json.dumps(dict(where), default=said)
