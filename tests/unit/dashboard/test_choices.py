"""What users choose for their screens is kept for who has logged in, bounded, and noted."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from energy_platform.dashboard.access import guarded
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.choices_file import MOST_BYTES, ChoicesFile
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.api import bodies
from energy_platform.dashboard.server import app as dashboard
from energy_platform.settings import Settings, StatePlace
from tests.support.commands import command_in_process
from tests.support.guarded_app import PASSWORD, client, with_users

DARK = {"theme": "dark", "zones": ["DE-LU", "FR"], "layouts": {"gas": {"rows": [1, 2.5]}}}


@pytest.fixture
def settings(home: Path) -> Settings:
    return with_users(home)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[ASGIApp]:
    inner = dashboard(settings)
    async with inner.router.lifespan_context(inner):
        yield guarded(inner, settings)


async def logged_in(asker: httpx.AsyncClient, user: str) -> str:
    """Log a user in; return their CSRF token."""
    asker.headers["Origin"] = "http://localhost:3070"
    await asker.post("/login", data={"user": user, "password": PASSWORD, "next": "/"})
    csrf: str = (await asker.get("/api/me")).json()["csrf"]
    return csrf


async def chosen(asker: httpx.AsyncClient, csrf: str, said: Any) -> httpx.Response:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return await asker.put("/api/choices", content=body, headers={"X-CSRF-Token": csrf})


def noted(settings: Settings) -> list[tuple[str, Any]]:
    entries = AuditLog.of(settings.state).newest(50)
    return [(one.user, one.detail) for one in entries if one.action == "choices set"]


async def test_each_user_has_their_own_on_every_machine(app: ASGIApp, settings: Settings) -> None:
    async with client(app) as one, client(app) as other, client(app) as elsewhere:
        bob, alice = await logged_in(one, "bob"), await logged_in(other, "alice")
        assert (await one.get("/api/choices")).json() == {"kept": True, "choices": {}}
        assert (await chosen(one, bob, DARK)).json() == {"kept": True, "choices": DARK}
        assert (await chosen(other, alice, {"theme": "light"})).status_code == 200
        assert (await one.get("/api/choices")).json()["choices"] == DARK
        await logged_in(elsewhere, "bob")
        assert (await elsewhere.get("/api/choices")).json()["choices"] == DARK
        # The same again says nothing new.
        await chosen(one, bob, DARK)
    assert noted(settings) == [
        ("alice", {"names": ["theme"]}),
        ("bob", {"names": ["layouts", "theme", "zones"]}),
    ]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 400), (b"[]", 400), (b"1", 400), (b"{", 400), (b'{"a": NaN}', 400), (b"\xff", 400),
        (b'{"a":' * 3_000, 400), ({"a": "x" * MOST_BYTES}, 413),
    ],
)  # fmt: skip
async def test_what_is_no_small_object_is_refused(
    app: ASGIApp, settings: Settings, said: Any, status: int
) -> None:
    async with client(app) as asker:
        csrf = await logged_in(asker, "bob")
        await chosen(asker, csrf, DARK)
        answer = await chosen(asker, csrf, said)
        assert (answer.status_code, "error" in answer.json()) == (status, True)
        assert (await asker.get("/api/choices")).json()["choices"] == DARK
        assert (await chosen(asker, "no token", {"theme": "light"})).status_code == 403
    assert len(noted(settings)) == 1


async def test_a_token_and_a_machine_without_login_keep_none(
    app: ASGIApp, settings: Settings, tmp_path: Path
) -> None:
    token = Tokens.of(settings.state).make("bob", Scope.ADMIN, seconds=60)
    open_settings = Settings(home=tmp_path / "open")
    inner = dashboard(open_settings)
    async with (
        client(app) as program,
        inner.router.lifespan_context(inner),
        client(guarded(inner, open_settings)) as somebody,
    ):
        program.headers["Authorization"] = f"Bearer {token}"
        for asker in (program, somebody):
            assert (await asker.get("/api/choices")).json() == {"kept": False, "choices": {}}
            assert (await chosen(asker, "", DARK)).status_code == 403


async def test_no_resource_reads_a_body_without_end(
    app: ASGIApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 100_000)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1_000):
            yield b" " * 1_000
        raise AssertionError("it reads on")

    async with client(app) as asker:
        csrf = await logged_in(asker, "bob")
        headers = {"X-CSRF-Token": csrf, "Content-Type": "application/json"}
        answer = await asker.post("/api/alarms", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (413, "HTTPException")


def test_so_many_users_at_most(place: StatePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_platform.dashboard.access.choices_file.MOST_USERS", 3)
    times = iter(range(100))
    file = ChoicesFile(ChoicesFile.of(place)._tables, lambda: float(next(times)))
    for number in range(5):
        file.keep(f"user {number}", b"{}")
    assert [file.of_user(f"user {number}") for number in range(5)] == [None, None, *[b"{}"] * 3]


def test_who_is_removed_leaves_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ChoicesFile.of(settings.state).keep("bob", b"{}")
    command_in_process(monkeypatch, capsys)("users", "remove", "bob")
    assert ChoicesFile.of(settings.state).of_user("bob") is None
