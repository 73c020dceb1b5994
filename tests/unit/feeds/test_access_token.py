"""Access tokens are asked for within bounds of time and size, and refusals are understood."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.websocket.access_token import TokenIssuer
from tests.support.feeds import MemorySession
from tests.support.http_server import reply, scripted


def issuer(url: str) -> TokenIssuer:
    return TokenIssuer(
        url=url,
        scope="global",
        username="USER",
        password="PASSWORD",
        client_id="ID",
        client_secret="SECRET",
        timeout_seconds=0.5,
    )


def a_token(ends: object) -> bytes:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return json.dumps({"access_token": f"eyJ.{claims}.signature"}).encode()


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("test", tmp_path, secrets={"USER": "trader", "PASSWORD": "p&ss word"})


async def test_a_token_says_itself_when_it_ends(session: MemorySession) -> None:
    async with scripted(reply(a_token(1_800_000_000))) as server:
        token = await issuer(server.url).issue(session)
    assert token.expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert token.value not in repr(token)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"access_token": "x"}', a_token("soon"), a_token(1e300)]
)
async def test_what_is_no_token_is_said(session: MemorySession, body: bytes) -> None:
    async with scripted(reply(body)) as server:
        with pytest.raises(FeedError, match="holds no JWT with an end"):
            await issuer(server.url).issue(session)


async def test_a_refusal_says_for_how_long_within_reason(session: MemorySession) -> None:
    refusal = reply(b"", status="429 Too Many Requests", Retry_After="999999999")
    async with scripted(refusal) as server:
        with pytest.raises(FeedError, match="HTTP 429") as raised:
            await issuer(server.url).issue(session)
    assert raised.value.retry_after_seconds == 3600


async def test_an_endless_reply_is_given_up(session: MemorySession) -> None:
    async with scripted(reply(bytes(2 << 20))) as server:
        with pytest.raises(FeedError, match="more than 1048576 bytes"):
            await issuer(server.url).issue(session)
