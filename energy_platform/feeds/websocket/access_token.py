"""Access tokens by the OAuth password grant, as providers of streams ask for them.

How a token is presented on a connection is the business of the feed.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from energy_platform.errors import FeedError
from energy_platform.feeds.base import FeedSession


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
        try:
            async with httpx.AsyncClient(
                auth=client_identity, timeout=self.timeout_seconds
            ) as http:
                reply = await http.post(session.address(self.url), data=form)
        except httpx.HTTPError as error:
            raise FeedError(f"no token from {self.url}: {type(error).__name__}") from None
        if reply.status_code != HTTPStatus.OK:
            raise FeedError(
                f"no token from {self.url}: HTTP {reply.status_code}",
                retry_after_seconds=retry_after_seconds(reply.headers.get("Retry-After")),
            )
        return _token(reply)


def retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None where there is no number of them."""
    return float(header) if header is not None and header.strip().isdigit() else None


def _token(reply: httpx.Response) -> AccessToken:
    """Read the token of a reply; its end stands in the token itself, a JWT."""
    try:
        value = reply.json()["access_token"]
        claims = value.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        expires = json.loads(base64.urlsafe_b64decode(padded))["exp"]
        return AccessToken(value=value, expires_at=datetime.fromtimestamp(expires, UTC))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, binascii.Error):
        raise FeedError(f"the reply of {reply.url} holds no JWT with an end") from None
