"""REST: ask for a window of time by GET, conditionally where the provider gives validators.

Of the body nothing is known here but whether it is whole and whether it changed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, Final

import httpx

from energy_platform.feeds.base import FeedSession, WireProtocol
from energy_platform.feeds.http import (
    HttpReply,
    exchange,
    http_client,
    raise_if_banned,
    unusable,
)
from energy_platform.feeds.polling import Answer, Ask, Marks, PollingFeed
from energy_platform.raw_message import RawMessage

_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
"""Validators of a reply, and the header by which each makes the next request conditional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A GET request; its parameters become the parser's context, so none may be a secret."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The whole URL."""
        return str(httpx.URL(self.url, params=self.params))


@dataclass(frozen=True, kw_only=True)
class RestFeed(PollingFeed[RestRequest]):
    """Polls a REST service.

    Attributes:
        absent: Statuses by which the provider says that the window holds nothing yet.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.REST

    absent: frozenset[HTTPStatus] = frozenset()

    @asynccontextmanager
    async def connection(self, session: FeedSession) -> AsyncIterator[Ask[RestRequest]]:
        """Open a client that keeps its connections alive for the length of a run."""
        async with http_client(self.limits) as client:

            async def ask(request: RestRequest, known: Marks) -> Answer:
                conditions = {
                    condition: known[validator]
                    for validator, condition in _CONDITIONS.items()
                    if validator in known
                }
                reply = await exchange(
                    client,
                    "GET",
                    session.address(request.url),
                    limits=self.limits,
                    params=request.params,
                    headers=conditions,
                )
                return self._answer(request, reply, known, session)

            yield ask

    def _answer(
        self, request: RestRequest, reply: HttpReply, known: Marks, session: FeedSession
    ) -> Answer:
        raise_if_banned(reply, request.url, self.provider, session)
        if reply.status == HTTPStatus.NOT_MODIFIED and known:
            return Answer(message=None, marks=known)
        if reply.status in self.absent:
            return Answer(message=None)
        if reply.status != HTTPStatus.OK:
            raise unusable(reply, request.url)
        context = {
            **request.params,
            "url": request.url,
            "content_type": reply.headers.get("Content-Type", ""),
        }
        message = RawMessage(body=reply.body, received_at=datetime.now(UTC), context=context)
        marks = {name: reply.headers[name] for name in _CONDITIONS if name in reply.headers}
        return Answer(message=message, marks=marks)
