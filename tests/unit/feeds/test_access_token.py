"""Access tokens are asked for within bounds of time and size, and refusals are understood."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.access_token import (
    ClientCredentialsGrant,
    CurrentToken,
    PasswordGrant,
    TokenIssuer,
)
from energy_platform.market.provider import Provider
from tests.support.feeds import MemorySession
from tests.support.http_server import reply, scripted

TEST = Provider(name="Test")


def password_grant(url: str) -> PasswordGrant:
    return PasswordGrant(
        url=url,
        scope="global",
        username="USER",
        password="PASSWORD",
        client_id="ID",
        client_secret="SECRET",
    )


def client_credentials(url: str) -> ClientCredentialsGrant:
    return ClientCredentialsGrant(url=url, scope="read", client_id="ID", client_secret="SECRET")


def a_token(ends: object) -> bytes:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return json.dumps({"access_token": f"eyJ.{claims}.signature"}).encode()


def an_opaque_token(value: str, expires_in: object) -> bytes:
    return json.dumps({"access_token": value, "expires_in": expires_in}).encode()


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    secrets = {"USER": "trader", "PASSWORD": "p&ss word", "ID": "desk 1", "SECRET": "s&cret"}
    return MemorySession("test", tmp_path, secrets=secrets)


async def test_a_token_says_itself_when_it_ends(session: MemorySession) -> None:
    async with scripted(reply(a_token(1_800_000_000))) as server:
        token = await password_grant(server.url).issue(session, TEST)
    assert token.expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert token.value not in repr(token)


async def test_the_end_may_stand_beside_a_token(session: MemorySession) -> None:
    async with scripted(reply(an_opaque_token("abc", 3600))) as server:
        token = await password_grant(server.url).issue(session, TEST)
    assert timedelta(minutes=59) < token.expires_at - datetime.now(UTC) <= timedelta(hours=1)


async def test_a_user_is_named_in_the_form_and_the_client_in_a_header(
    session: MemorySession,
) -> None:
    async with scripted(reply(a_token(1_800_000_000))) as server:
        await password_grant(server.url).issue(session, TEST)
    head, _, form = server.requests[0].partition("\r\n\r\n")
    assert parse_qs(form) == {
        "grant_type": ["password"],
        "scope": ["global"],
        "username": ["trader"],
        "password": ["p&ss word"],
    }
    assert base64.b64encode(b"desk 1:s&cret").decode() in head


async def test_a_program_names_itself_in_the_form(session: MemorySession) -> None:
    async with scripted(reply(an_opaque_token("abc", 3600))) as server:
        await client_credentials(server.url).issue(session, TEST)
    head, _, form = server.requests[0].partition("\r\n\r\n")
    assert parse_qs(form) == {
        "grant_type": ["client_credentials"],
        "scope": ["read"],
        "client_id": ["desk 1"],
        "client_secret": ["s&cret"],
    }
    assert "Authorization" not in head


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"access_token": "x"}',
        a_token("soon"),
        a_token(1e300),
        an_opaque_token("x", "soon"),
        an_opaque_token("x", 1e300),
        b'{"access_token": 5, "expires_in": 60}',
    ],
)
@pytest.mark.parametrize("issuer", [password_grant, client_credentials])
async def test_what_is_no_token_is_said(
    session: MemorySession, issuer: Callable[[str], TokenIssuer], body: bytes
) -> None:
    async with scripted(reply(body)) as server:
        with pytest.raises(FeedError, match="holds no token with an end"):
            await issuer(server.url).issue(session, TEST)


async def test_a_refusal_says_for_how_long_within_reason_and_to_all(session: MemorySession) -> None:
    refusal = reply(b"", status="429 Too Many Requests", Retry_After="999999999")
    async with scripted(refusal) as server:
        with pytest.raises(FeedError, match="HTTP 429") as raised:
            await password_grant(server.url).issue(session, TEST)
    assert raised.value.retry_after_seconds == 3600
    assert session.bans == {"Test": 3600}


async def test_no_secret_is_in_a_refusal(session: MemorySession) -> None:
    async with scripted(reply(b"who is desk 1?", status="401 Unauthorized")) as server:
        with pytest.raises(FeedError) as raised:
            await client_credentials(server.url).issue(session, TEST)
    assert "HTTP 401" in str(raised.value)
    assert not any(secret in str(raised.value) for secret in session.secrets.values())


async def test_silence_is_given_up(session: MemorySession) -> None:
    async with scripted(None) as server:
        impatient = replace(client_credentials(server.url), timeout_seconds=0.5)
        with pytest.raises(FeedError, match=r"no token: .* did not answer within 0\.5 s"):
            await impatient.issue(session, TEST)


async def test_an_endless_reply_is_given_up(session: MemorySession) -> None:
    async with scripted(reply(bytes(2 << 20))) as server:
        with pytest.raises(FeedError, match="more than 1048576 bytes"):
            await password_grant(server.url).issue(session, TEST)


async def test_a_token_is_kept_until_shortly_before_its_end(session: MemorySession) -> None:
    replies = [reply(an_opaque_token(*token)) for token in (("a", 50), ("b", 90), ("c", 90))]
    async with scripted(*replies) as server:
        current = CurrentToken(issuer=client_credentials(server.url), provider=TEST)
        values = [await current.value(session) for _ in range(3)]
        current.forget()
        values.append(await current.value(session))
    assert values == ["a", "b", "b", "c"]
