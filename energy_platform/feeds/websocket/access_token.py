"""Access tokens by the OAuth password grant, as providers of streams ask for them.

How a token is presented on a connection is the business of the feed.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import httpx

from energy_platform.errors import FeedError
from energy_platform.feeds.base import FeedSession
from energy_platform.feeds.http import HttpLimits, exchange, retry_after_seconds

_MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token and when it ends; its value is in no representation."""

    value: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """Where tokens come from, and the environment variables that hold what it takes.

    Attributes:
        url: The token endpoint.
        scope: The scope to ask for.
        username: Variable of the user's name.
        password: Variable of the password.
        client_id: Variable of the client's id.
        client_secret: Variable of the client's secret.
        timeout_seconds: How long one request may take.
    """

    url: str
    scope: str
    username: str
    password: str
    client_id: str
    client_secret: str
    timeout_seconds: float = 20.0

    @property
    def required_environment(self) -> tuple[str, ...]:
        """The variables without which no token can be had."""
        return (self.username, self.password, self.client_id, self.client_secret)

    async def issue(self, session: FeedSession) -> AccessToken:
        """Ask for a new token.

        Raises:
            FeedError: The endpoint could not be reached, refused, or gave no usable token.
        """
        form = {
            "grant_type": "password",
            "scope": self.scope,
            "username": session.secret(self.username),
            "password": session.secret(self.password),
        }
        client_identity = (session.secret(self.client_id), session.secret(self.client_secret))
        limits = HttpLimits(
            timeout=timedelta(seconds=self.timeout_seconds), max_body_bytes=_MAX_BODY_BYTES
        )
        async with httpx.AsyncClient(auth=client_identity) as client:
            try:
                reply = await exchange(
                    client,
                    "POST",
                    session.address(self.url),
                    limits=limits,
                    headers={"Content-Type": "application/x-www-form-urlencoded"},
                    content=urlencode(form).encode(),
                )
            except FeedError as error:
                raise FeedError(f"no token: {error}") from error
        if reply.status != HTTPStatus.OK:
            raise FeedError(
                f"no token from {self.url}: HTTP {reply.status}",
                retry_after_seconds=retry_after_seconds(reply.headers),
            )
        return _token(reply.body, self.url)


def _token(body: bytes, url: str) -> AccessToken:
    """Read the token of a reply; its end stands in the token itself, a JWT."""
    try:
        value = json.loads(body)["access_token"]
        claims = value.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        expires = json.loads(base64.urlsafe_b64decode(padded))["exp"]
        return AccessToken(value=value, expires_at=datetime.fromtimestamp(expires, UTC))
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        raise FeedError(f"the reply of {url} holds no JWT with an end") from None
