"""OAuth access tokens: by the password grant for a user, by client credentials for a program.

Each feed decides how to present a token on its connection.
"""

import base64
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from energy_platform.errors import FeedError
from energy_platform.feeds.http import HttpLimits, exchange, http_client, retry_after_seconds
from energy_platform.market.feed import FeedSession
from energy_platform.market.provider import Provider

_MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token and its end; the value is in no representation."""

    value: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer(ABC):
    """The token endpoint, and the environment variables with the credentials.

    Attributes:
        url: The token endpoint.
        scope: The scope to ask for.
        client_id: Variable of the client's id.
        client_secret: Variable of the client's secret.
        timeout_seconds: How long one request may take.
    """

    url: str
    scope: str
    client_id: str
    client_secret: str
    timeout_seconds: float = 20.0

    @property
    @abstractmethod
    def required_environment(self) -> tuple[str, ...]:
        """The variables that a token request needs."""

    @abstractmethod
    def _form(self, session: FeedSession) -> dict[str, str]:
        """Return the form to post."""

    @abstractmethod
    def _client_identity(self, session: FeedSession) -> tuple[str, str] | None:
        """Return the client's id and secret if they belong in a header."""

    async def issue(self, session: FeedSession, provider: Provider) -> AccessToken:
        """Wait for a turn at the provider and ask for a new token.

        If a refusal names a waiting time, all feeds of the provider keep to it.

        Raises:
            FeedError: The endpoint could not be reached, refused, or gave no usable token.
        """
        await session.turn(provider)
        try:
            return await self._ask(session)
        except FeedError as error:
            if error.retry_after_seconds is not None:
                session.ban(provider, error.retry_after_seconds)
            raise

    async def _ask(self, session: FeedSession) -> AccessToken:
        limits = HttpLimits(
            timeout=timedelta(seconds=self.timeout_seconds), max_body_bytes=_MAX_BODY_BYTES
        )
        async with http_client(limits, identity=self._client_identity(session)) as client:
            try:
                reply = await exchange(
                    client,
                    "POST",
                    session.address(self.url),
                    limits=limits,
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    content=urlencode(self._form(session)).encode(),
                )
            except FeedError as error:
                raise type(error)(f"no token: {error}") from error
        if reply.status != HTTPStatus.OK:
            raise FeedError(
                f"no token from {self.url}: HTTP {reply.status}",
                retry_after_seconds=retry_after_seconds(reply.headers),
            )
        return _token(reply.body, self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordGrant(TokenIssuer):
    """Tokens for a user; the client identifies itself in a header.

    Attributes:
        username: Variable of the user's name.
        password: Variable of the password.
    """

    username: str
    password: str

    @property
    def required_environment(self) -> tuple[str, ...]:
        """The variables of the user and of the client."""
        return (self.username, self.password, self.client_id, self.client_secret)

    def _form(self, session: FeedSession) -> dict[str, str]:
        return {
            "grant_type": "password",
            "scope": self.scope,
            "username": session.secret(self.username),
            "password": session.secret(self.password),
        }

    def _client_identity(self, session: FeedSession) -> tuple[str, str]:
        return session.secret(self.client_id), session.secret(self.client_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentialsGrant(TokenIssuer):
    """Tokens for a program, which identifies itself in the form."""

    @property
    def required_environment(self) -> tuple[str, ...]:
        """The variables of the client."""
        return (self.client_id, self.client_secret)

    def _form(self, session: FeedSession) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": self.scope,
            "client_id": session.secret(self.client_id),
            "client_secret": session.secret(self.client_secret),
        }

    def _client_identity(self, _session: FeedSession) -> None:
        return None


@dataclass(slots=True, kw_only=True)
class CurrentToken:
    """The token that the requests of one run carry, replaced before it ends.

    Attributes:
        issuer: Where the next token comes from.
        refresh_before: How long before its end a token is replaced.
    """

    issuer: TokenIssuer
    provider: Provider
    refresh_before: timedelta = timedelta(minutes=1)
    _token: AccessToken | None = None

    async def value(self, session: FeedSession) -> str:
        """Return a token that remains valid for a while, after asking for a new one if necessary.

        Raises:
            FeedError: No token could be had.
        """
        if self._token is None or self._token.expires_at - self.refresh_before < datetime.now(UTC):
            self._token = await self.issuer.issue(session, self.provider)
        return self._token.value

    def forget(self) -> None:
        """Drop a token that the provider refused."""
        self._token = None


def _token(body: bytes, url: str) -> AccessToken:
    """Read the token of a reply; its end is beside it or in the token itself, a JWT."""
    try:
        reply = json.loads(body)
        value = reply["access_token"].strip()
        return AccessToken(value=value, expires_at=_end(value, reply))
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        raise FeedError(f"the reply of {url} holds no token with an end") from None


def _end(value: str, reply: dict[str, Any]) -> datetime:
    if "expires_in" in reply:
        return datetime.now(UTC) + timedelta(seconds=float(reply["expires_in"]))
    claims = value.split(".")[1]
    padded = claims + "=" * (-len(claims) % 4)
    return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(padded))["exp"], UTC)
