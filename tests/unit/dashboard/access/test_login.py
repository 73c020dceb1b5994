"""Logging in by a password, by a token and at a trusted proxy; sessions, CSRF, pauses, the log."""

import asyncio
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from energy_platform.dashboard.access import Role, login_pages
from energy_platform.dashboard.access import guard as guard_module
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.pauses import Pauses
from energy_platform.dashboard.access.sessions import Sessions
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.settings import Login, Settings, StatePlace
from tests.support.guarded_app import PASSWORD, client, guarded_desk, served, with_users

HOUR = 3600.0
PAGE = {"Accept": "text/html,*/*"}


async def log_in(
    browser: httpx.AsyncClient, user: str = "bob", password: str = PASSWORD, wanted: str = "/"
) -> httpx.Response:
    return await browser.post("/login", data={"user": user, "password": password, "next": wanted})


async def csrf(browser: httpx.AsyncClient) -> dict[str, str]:
    return {
        "X-CSRF-Token": (await browser.get("/api/me")).json()["csrf"],
        "Origin": "http://localhost:3070",
    }


def actions(home: Path) -> list[tuple[str, str]]:
    return [(entry.action, entry.user) for entry in AuditLog.of(StatePlace(home)).newest(50)]


async def test_a_stranger_is_sent_to_the_login_and_back(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        asked = await browser.get("/?area=DE-LU", headers=PAGE)
        assert (asked.status_code, asked.headers["location"]) == (
            303,
            "/login?next=/%3Farea%3DDE-LU",
        )
        form = await browser.get(asked.headers["location"])
        assert 'value="/?area=DE-LU"' in form.text
        assert (
            (await browser.get("/login/style.css")).headers["content-type"].startswith("text/css")
        )
        entered = await log_in(browser, wanted="/?area=DE-LU")
        assert (entered.status_code, entered.headers["location"]) == (303, "/?area=DE-LU")
        assert (await browser.get("/api/who")).json() == {
            "name": "bob", "role": "trader", "way": "session",
        }  # fmt: skip
        me = (await browser.get("/api/me")).json()
    assert (me["portfolios"], me["login"], len(me["csrf"]) > 20) == (["wind"], "users", True)
    assert actions(home) == [("logged in", "bob")]


async def test_a_program_that_is_not_logged_in_is_told_so(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as program:
        answer = await program.get("/api/who")
    assert (answer.status_code, answer.json()["name"]) == (401, "not_logged_in")


@pytest.mark.parametrize(
    ("user", "password"),
    [("bob", "wrong"), ("nobody", PASSWORD), ("carol", ""), ("", ""), ("bob", "x" * 9000)],
)
async def test_a_wrong_login_says_nothing_of_what_is_wrong(
    home: Path, user: str, password: str
) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        answer = await log_in(browser, user, password)
        assert answer.status_code == 401
        assert "The user or the password is wrong." in answer.text
        assert (await browser.get("/api/who")).status_code == 401
    assert actions(home)[0][0] == "login refused"
    assert "set-cookie" not in answer.headers


async def test_what_a_stranger_types_is_never_html(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        answer = await log_in(browser, "<script>", wanted='/"><script>alert(1)</script>')
    assert "<script>" not in answer.text


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_the_login_leads_to_no_other_site(home: Path, wanted: str) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        assert (await log_in(browser, wanted=wanted)).headers["location"] == "/"


async def test_tries_are_paused_by_user_and_by_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_pages, "Pauses", lambda: Pauses(lambda: 0.0))
    _, app = guarded_desk(with_users(home))
    async with client(app, address="127.0.0.1") as browser:
        said = await asyncio.gather(*(log_in(browser, "bob", f"guess {n}") for n in range(8)))
        assert {answer.status_code for answer in said} == {401, 429}
        right = await log_in(browser, "bob")
        assert right.status_code == 429
        assert int(right.headers["retry-after"]) >= 1
        assert (await log_in(browser, "alice")).status_code == 429, "the address is paused too"
    async with client(app, address="192.0.2.7") as elsewhere:
        assert (await log_in(elsewhere, "bob")).status_code == 429, "the user is paused too"
        assert (await log_in(elsewhere, "alice")).status_code == 303


@pytest.mark.parametrize(
    ("url", "cookie", "attributes"),
    [
        (None, "energy-platform=", {"HttpOnly", "SameSite=lax", "Path=/"}),
        ("https://localhost", "__Host-energy-platform=", {"HttpOnly", "Secure", "Path=/"}),
    ],
)
async def test_the_cookie_is_for_the_server_alone(
    home: Path, url: str | None, cookie: str, attributes: set[str]
) -> None:
    _, app = guarded_desk(with_users(home, dashboard_url=url))
    async with client(app) as browser:
        said = (await log_in(browser)).headers["set-cookie"]
    assert said.startswith(cookie)
    assert attributes <= set(said.split("; "))
    kept = (home / "access" / "sessions.db").read_bytes()
    assert said.removeprefix(cookie).split(";")[0].encode() not in kept


async def test_a_change_needs_the_sessions_own_token(home: Path) -> None:
    desk, app = guarded_desk(with_users(home))
    async with client(app) as browser, client(app) as other:
        await log_in(browser)
        await log_in(other, "alice")
        right, foreign = await csrf(browser), await csrf(other)
        for headers in [{}, {"X-CSRF-Token": ""}, foreign, {"X-CSRF-Token": "0"}]:
            refused = await browser.post("/api/change", headers=headers)
            assert refused.json()["name"] == "csrf"
        assert (await browser.post("/api/change", headers=right)).status_code == 200
    assert desk.changes == ["bob"]


async def test_logging_out_ends_the_session_at_the_server(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        await log_in(browser)
        kept = dict(browser.cookies)
        assert (await browser.post("/logout")).status_code == 403
        assert (await browser.post("/logout", headers=await csrf(browser))).status_code == 303
        assert not browser.cookies
        browser.cookies.update(kept)
        assert (await browser.get("/api/who")).status_code == 401
    assert actions(home)[0] == ("logged out", "bob")


async def test_a_login_never_takes_over_a_session_that_was_there(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        await log_in(browser)
        before = dict(browser.cookies)
        await log_in(browser, "alice")
        assert dict(browser.cookies) != before
        browser.cookies.update(before)
        assert (await browser.get("/api/who")).status_code == 401


async def test_what_the_user_list_says_holds_at_once(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    users = UserList.of(home)
    bob = users.find("bob")
    assert bob is not None
    async with client(app) as browser:
        await log_in(browser)
        users.put(User(name="bob", role=Role.VIEWER, password_hash=bob.password_hash))
        assert (await browser.get("/api/who")).json()["role"] == "viewer"
        users.remove("bob")
        assert (await browser.get("/api/who")).status_code == 401


async def test_where_the_user_list_can_not_be_read_nobody_is_let_in(home: Path) -> None:
    desk, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        await log_in(browser)
        (home / "access" / "users.json").write_text("{")
        for answer in [await browser.get("/api/who"), await log_in(browser, "alice")]:
            assert (answer.status_code, answer.json()["name"]) == (503, "access_unknown")
            assert answer.headers["x-frame-options"] == "DENY"
    assert desk.changes == []


async def test_a_session_ends_by_itself_and_with_it_what_is_open(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "LOOK_SECONDS", 0.05)
    _, app = guarded_desk(with_users(home))
    async with client(app) as browser:
        await log_in(browser)
        cookie = "; ".join(f"{name}={key}" for name, key in browser.cookies.items())
    with served(app) as port:
        url = f"ws://localhost:{port}/live"
        async with connect(url, additional_headers={"Cookie": cookie}) as socket:
            assert await socket.recv() == "bob: price"
            assert Sessions.of(StatePlace(home)).end_all_of("bob") == 1
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 20)
            assert socket.close_code == guard_module.SESSION_ENDED
        with pytest.raises(InvalidStatus):
            await connect(url, additional_headers={"Cookie": cookie})


@pytest.mark.parametrize(
    ("user", "scope", "role"),
    [
        ("alice", Scope.READ, "viewer"),
        ("alice", Scope.ADMIN, "admin"),
        ("bob", Scope.POSITIONS, "trader"),
        ("bob", Scope.ADMIN, "trader"),  # never more than the user may
        ("carol", Scope.POSITIONS, "viewer"),
    ],
)
async def test_a_token_may_what_its_scope_and_its_user_may(
    home: Path, user: str, scope: Scope, role: str
) -> None:
    desk, app = guarded_desk(with_users(home))
    token = Tokens.of(StatePlace(home)).make(user, scope, seconds=HOUR)
    async with client(app) as program:
        program.headers["Authorization"] = f"Bearer {token}"
        assert (await program.get("/api/who")).json() == {
            "name": user, "role": role, "way": "token",
        }  # fmt: skip
        assert (await program.post("/api/change")).status_code == 200, "no cookie, no CSRF"
    assert desk.changes == [user]


async def test_a_token_that_does_not_hold_is_refused(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    tokens = Tokens.of(StatePlace(home))
    good, ended, revoked, orphan = (
        tokens.make(user, Scope.READ, seconds=seconds)
        for user, seconds in [("alice", HOUR), ("alice", 0), ("alice", HOUR), ("bob", HOUR)]
    )
    tokens.revoke(revoked.split("_")[1])
    UserList.of(home).remove("bob")
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    async with client(app) as program:
        for token in [ended, revoked, orphan, forged, "", "ep_", good.upper()]:
            answer = await program.get("/api/who", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401, token
        answer = await program.get("/api/who", headers={"Authorization": f"Bearer {good}"})
        assert answer.status_code == 200
    assert good.split("_", 2)[2].encode() not in (home / "access" / "tokens.db").read_bytes()


def by_proxy(home: Path, **more: object) -> Settings:
    with_users(home)
    return Settings.model_validate(
        {"home": home, "login": Login.PROXY, "proxy_address": "192.0.2.0/30, ::1", **more}
    )


async def test_the_trusted_proxy_says_who_it_is(home: Path) -> None:
    desk, app = guarded_desk(by_proxy(home))
    async with client(app, address="192.0.2.1") as proxy:
        proxy.headers["X-Forwarded-User"] = "bob"
        assert (await proxy.get("/api/who")).json()["way"] == "proxy"
        assert (await proxy.post("/api/change")).json()["name"] == "csrf"
        changed = await proxy.post("/api/change", headers=await csrf(proxy))
        assert (changed.status_code, desk.changes) == (200, ["bob"])
        stranger = await proxy.get("/api/who", headers={"X-Forwarded-User": "mallory"})
        assert stranger.json()["name"] == "unknown_user"


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("192.0.2.9", [("X-Forwarded-User", "alice")]),
        ("127.0.0.1", [("X-Forwarded-User", "alice")]),
        ("192.0.2.1", []),
        ("192.0.2.1", [("X-Forwarded-User", "alice"), ("X-Forwarded-User", "bob")]),
    ],
)
async def test_nobody_else_says_who_it_is(
    home: Path, address: str, headers: list[tuple[str, str]]
) -> None:
    _, app = guarded_desk(by_proxy(home))
    async with client(app, address=address) as stranger:
        answer = await stranger.get("/api/who", headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (401, "not_logged_in")


async def test_without_its_address_a_proxys_header_means_nothing(home: Path) -> None:
    _, app = guarded_desk(with_users(home))
    async with client(app) as stranger:
        answer = await stranger.get("/api/who", headers={"X-Forwarded-User": "alice"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"dashboard_host": "0.0.0.0"}, "ENERGY_PLATFORM_DASHBOARD_URL is needed"),
        (
            {"dashboard_host": "0.0.0.0", "dashboard_url": "https://desk.example"},
            "listens on loopback alone",
        ),
        ({"login": "proxy"}, "ENERGY_PLATFORM_PROXY_ADDRESS is needed"),
        ({"login": "oidc", "oidc_issuer": "https://id.example"}, "OIDC_CLIENT_ID"),
        ({"proxy_address": "not an address"}, "IP addresses"),
        ({"dashboard_url": "https://desk.example/path"}, "pattern"),
    ],
)
def test_a_dashboard_that_strangers_could_open_does_not_start(
    home: Path, given: dict[str, str], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings.model_validate({"home": home, **given})


def test_the_providers_secret_is_not_printed(home: Path) -> None:
    chosen = Settings.model_validate({"home": home, "oidc_client_secret": "hunter2"})
    assert "hunter2" not in repr(chosen)
