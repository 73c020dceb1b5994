"""REST: ask for a window of time by GET, conditionally if the provider gives validators.

Of the body this module knows only whether it is whole and whether it changed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, Final

import httpx

from energy_platform.errors import FeedError, RefusedError
from energy_platform.feeds.access_token import CurrentToken, TokenIssuer
from energy_platform.feeds.http import (
    HttpReply,
    exchange,
    http_client,
    raise_if_banned,
    unusable,
)
from energy_platform.feeds.polling import Answer, Ask, PollingFeed
from energy_platform.feeds.progress import Marks
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.raw_message import RawMessage

_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
"""Validators of a reply, and the header by which each makes the next request conditional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A GET request; its parameters become the parser's context, so none may be a secret.

    Attributes:
        url: The address, without a query.
        params: The query.
        context: What else the parser must know of the question and the reply does not say.
    """

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The whole URL."""
        return str(httpx.URL(self.url, params=self.params))


@dataclass(frozen=True, kw_only=True)
class RestFeed(PollingFeed[RestRequest]):
    """Polls a REST service.

    Attributes:
        absent: Statuses by which the provider says that the window holds nothing yet.
        is_answer: Judges the status and body of any other reply: true if it is to be landed, false
            if there is nothing yet. Raises `RefusedError` if the question is refused, whatever the
            status, and `FeedError` if it can't be answered now.
        secret_params: Query parameters that are secrets, and their environment variables; they are
            in no context, cursor or log.
        secret_headers: The same for headers.
        tokens: Where the bearer tokens come from, if requests must carry one.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.REST

    absent: frozenset[HTTPStatus] = frozenset()
    is_answer: Callable[[int, bytes], bool] | None = None
    secret_params: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict)
    tokens: TokenIssuer | None = None

    def context_names(self) -> frozenset[str]:
        """Return the names of its requests' parameters and context, and of the address."""
        asked = (name for one in self.sample_requests() for name in (*one.params, *one.context))
        return frozenset({*asked, "url", "content_type"})

    @asynccontextmanager
    async def connection(self, session: FeedSession) -> AsyncIterator[Ask[RestRequest]]:
        """Open a client that keeps its connections alive for the length of a run."""
        secret_params = _secrets(self.secret_params, session)
        secret_headers = _secrets(self.secret_headers, session)
        bearer = _Bearer(self, session)
        async with http_client(self.limits) as client:

            async def ask(request: RestRequest, known: Marks) -> Answer:
                conditions = {
                    condition: known[validator]
                    for validator, condition in _CONDITIONS.items()
                    if validator in known
                }

                async def send(authorization: Mapping[str, str]) -> HttpReply:
                    return await exchange(
                        client,
                        "GET",
                        session.address(request.url),
                        limits=self.limits,
                        params={**request.params, **secret_params},
                        headers={**conditions, **secret_headers, **authorization},
                    )

                reply = await bearer.carried_by(send)
                secrets = [*secret_params.values(), *secret_headers.values(), *bearer.secrets]
                if any(secret.encode() in reply.body for secret in secrets):
                    raise unusable(
                        reply, request.url, "the body repeats our secret, and is not kept"
                    )
                return self._answer(request, reply, known, session)

            yield ask

    def _answer(
        self, request: RestRequest, reply: HttpReply, known: Marks, session: FeedSession
    ) -> Answer:
        raise_if_banned(reply, request.url, self.provider, session)
        if reply.status == HTTPStatus.NOT_MODIFIED and known:
            return Answer(message=None, marks=known)
        if reply.status in (*self.absent, HTTPStatus.NO_CONTENT):
            return Answer(message=None)
        if self.is_answer is not None:
            try:
                if not self.is_answer(reply.status, reply.body):
                    return Answer(message=None)
            except RefusedError as error:
                kind = RefusedError if reply.status == HTTPStatus.OK else None
                raise unusable(reply, request.url, str(error), kind=kind) from error
            except FeedError as error:
                raise unusable(reply, request.url, str(error)) from error
        if reply.status != HTTPStatus.OK:
            raise unusable(reply, request.url)
        context = {
            **request.params,
            **request.context,
            "url": request.url,
            "content_type": reply.headers.get("Content-Type", ""),
        }
        message = RawMessage(body=reply.body, received_at=datetime.now(UTC), context=context)
        marks = {name: reply.headers[name] for name in _CONDITIONS if name in reply.headers}
        return Answer(message=message, marks=marks)


@dataclass(slots=True)
class _Bearer:
    """Gives each request of a run the token that it must carry, if any."""

    feed: RestFeed
    session: FeedSession
    token: CurrentToken | None = None
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.feed.tokens is not None:
            self.token = CurrentToken(issuer=self.feed.tokens, provider=self.feed.provider)

    async def carried_by(
        self, send: Callable[[Mapping[str, str]], Awaitable[HttpReply]]
    ) -> HttpReply:
        """Send a request with the token; if it is refused, once more with a new one."""
        if self.token is None:
            return await send({})
        reply = await send(await self._authorization(self.token))
        if reply.status == HTTPStatus.UNAUTHORIZED:
            self.token.forget()
            authorization = await self._authorization(self.token)
            await self.session.turn(self.feed.provider)
            reply = await send(authorization)
        return reply

    async def _authorization(self, token: CurrentToken) -> Mapping[str, str]:
        value = await token.value(self.session)
        self.secrets = (value,)
        return {"Authorization": f"Bearer {value}"}


def _secrets(variables: Mapping[str, str], session: FeedSession) -> dict[str, str]:
    """Return the value of each environment variable."""
    return {name: session.secret(variable) for name, variable in variables.items()}
