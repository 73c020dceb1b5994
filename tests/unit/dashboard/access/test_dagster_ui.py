"""The Dagster UI behind the guard: the real web server, asked by programs and by a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from starlette.types import ASGIApp
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from energy_platform.dashboard.access import Role
from energy_platform.dashboard.access import guard as guard_module
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.operations.supervision.ports import webserver_socket
from energy_platform.settings import Settings, StatePlace
from tests.support.chromium import chromium
from tests.support.dagster_webserver import dagster_webserver
from tests.support.guarded_app import client, guarded_desk, served, with_users

# One server for all tests of this file is started once.
pytestmark = pytest.mark.xdist_group("dagster_ui")

GRAPHQL = "/dagster/graphql"
PAUSE = "mutation { setAutoMaterializePaused(paused: true) }"
PAUSED = "{ instance { autoMaterializePaused } }"


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("dagster")
    where = webserver_socket(folder)
    with dagster_webserver(folder / "home", where):
        yield where


@pytest.fixture
def known(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "webserver_at", lambda _: socket)


@pytest.fixture
def app(home: Path, known: None) -> ASGIApp:
    """A dashboard without login."""
    return guarded_desk(Settings(home=home))[1]


async def asked(browser: httpx.AsyncClient, query: str, **headers: str) -> httpx.Response:
    return await browser.post(GRAPHQL, json={"query": query}, headers=headers)


async def set_paused(browser: httpx.AsyncClient, *, paused: bool) -> None:
    said = await asked(browser, PAUSE.replace("true", str(paused).lower()))
    assert said.status_code == 200, said.text


async def is_paused(browser: httpx.AsyncClient) -> bool:
    answer = await asked(browser, PAUSED)
    return bool(answer.json()["data"]["instance"]["autoMaterializePaused"])


async def test_the_ui_is_shown_below_its_path(app: ASGIApp) -> None:
    async with client(app) as browser:
        first = await browser.get("/dagster")
        assert (first.status_code, first.headers["location"]) == (307, "/dagster/")
        page = await browser.get("/dagster/runs?q=1")
        assert (page.status_code, '"/dagster"</script>' in page.text) == (200, True)
        assert "'nonce-" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        icon = await browser.get("/dagster/favicon.svg")
        assert icon.headers["content-type"] == "image/svg+xml"
        assert "frame-ancestors 'none'" in icon.headers["content-security-policy"]


async def test_programs_ask_and_change_by_post(home: Path, app: ASGIApp) -> None:
    async with client(app) as program:
        await set_paused(program, paused=True)
        assert await is_paused(program)
        await set_paused(program, paused=False)
        assert not await is_paused(program)
    [newest, _] = AuditLog.of(StatePlace(home)).newest(5)
    assert (newest.action, newest.user) == ("Dagster changed", "local")
    assert newest.detail == {"what": ["setAutoMaterializePaused"]}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost:3070", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost:8888", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
async def test_pages_of_other_origins_change_nothing(
    app: ASGIApp, headers: dict[str, str], status: int
) -> None:
    async with client(app) as browser:
        await set_paused(browser, paused=False)
        assert (await asked(browser, PAUSE, **headers)).status_code == status
        assert await is_paused(browser) == (status == 200)


@pytest.mark.parametrize(
    "query", [PAUSE, f"query Q {PAUSED} mutation M {PAUSE.removeprefix('mutation')}", "{"]
)
async def test_a_link_changes_nothing(app: ASGIApp, query: str) -> None:
    async with client(app) as browser:
        await set_paused(browser, paused=False)
        for path in [GRAPHQL, f"{GRAPHQL}%0A"]:
            answer = await browser.get(path, params={"query": query, "operationName": "M"})
            assert answer.status_code in {400, 405}
        twice = await browser.get(
            f"{GRAPHQL}?query={PAUSED}", params=[("query", PAUSED), ("query", query)]
        )
        assert twice.status_code in {400, 405}
        assert not await is_paused(browser)
        read = await browser.get(GRAPHQL, params={"query": PAUSED})
    assert read.json() == {"data": {"instance": {"autoMaterializePaused": False}}}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 415),
        (json.dumps({"query": PAUSE}).encode(), "text/plain; application/json", 415),
        (PAUSE.encode(), "application/graphql", 415),
        (b"[]", "application/json", 400),
        (b'{"query": ["mutation"]}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (json.dumps({"query": "{a" * 5_000}).encode(), "application/json", 400),
        (b" " * (2**21 + 1), "application/json", 413),
    ],
)
async def test_what_dagster_might_read_otherwise_is_refused(
    app: ASGIApp, content: bytes, kind: str, status: int
) -> None:
    async with client(app) as browser:
        await set_paused(browser, paused=False)
        answer = await browser.post(
            GRAPHQL, params={"query": PAUSE}, content=content, headers={"Content-Type": kind}
        )
        assert answer.status_code == status, answer.text
        assert not await is_paused(browser)


@pytest.mark.parametrize("role", list(Role))
async def test_only_an_admin_changes_something(home: Path, known: None, role: Role) -> None:
    _, app = guarded_desk(with_users(home))
    token = Tokens.of(StatePlace(home)).make(
        "alice", list(Scope)[list(Role).index(role)], seconds=60
    )
    async with client(app) as program:
        assert (await asked(program, PAUSED)).status_code == 401
        program.headers["Authorization"] = f"Bearer {token}"
        assert (await asked(program, PAUSED)).status_code == 200
        changed = await asked(program, PAUSE)
        reported = await program.post("/dagster/report_asset_materialization/price")
        other = await program.post(f"{GRAPHQL}/", json={"query": PAUSE})
    is_admin = role is Role.ADMIN
    assert (changed.status_code == 200) == is_admin
    if not is_admin:
        assert {one.json()["name"] for one in (changed, reported, other)} == {"not_admin"}


async def test_read_only_holds_for_everybody(home: Path, known: None) -> None:
    _, app = guarded_desk(Settings(home=home, dagster_read_only=True))
    async with client(app) as program:
        assert (await asked(program, PAUSE)).json()["name"] == "read_only"
        assert (await asked(program, PAUSED)).status_code == 200
        assert (await program.delete("/dagster/runs")).json()["name"] == "method"


async def test_subscriptions_come_through_and_change_nothing(app: ASGIApp) -> None:
    with served(app) as port:
        url = f"ws://localhost:{port}{GRAPHQL}"
        async with connect(url, subprotocols=[Subprotocol("graphql-ws")]) as page:
            assert page.subprotocol == "graphql-ws"
            await page.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await page.recv()) == {"type": "connection_ack"}
            for number, query in enumerate(
                ["subscription { locationStateChangeEvents { event { message } } }", PAUSE]
            ):
                start = {"id": str(number), "type": "start", "payload": {"query": query}}
                await page.send(json.dumps(start))
            said = json.loads(await page.recv())
            assert (said["id"], said["type"]) == ("1", "error"), said
        async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as program:
            await set_paused(program, paused=False)
            assert not await is_paused(program)
        for target, origin in [(url, "http://evil.example"), (f"{url}/more", None)]:
            headers = {"Origin": origin} if origin else {}
            with pytest.raises(InvalidStatus):
                await connect(target, additional_headers=headers)


async def test_a_server_that_is_away_is_said_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "webserver_at", lambda _: tmp_path / "none")
    _, app = guarded_desk(Settings(home=home))
    async with client(app) as browser:
        answer = await browser.get("/dagster/runs")
    assert (answer.status_code, answer.json()["name"]) == (503, "dagster_away")
    with served(app) as port, pytest.raises(InvalidStatus):
        await connect(f"ws://localhost:{port}{GRAPHQL}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_the_ui_works_in_a_browser(browser: Browser, app: ASGIApp) -> None:
    with served(app) as port, browser.new_context() as context:
        page = context.new_page()
        with page.expect_websocket(lambda one: one.url.endswith(GRAPHQL), timeout=120_000):
            page.goto(f"http://localhost:{port}/dagster/")
        page.get_by_text("Runs").first.wait_for(timeout=120_000)
        assert page.evaluate(
            """async (query) => (await fetch("/dagster/graphql", {
                method: "POST", body: JSON.stringify({query}),
                headers: {"Content-Type": "application/json"},
            })).status""",
            PAUSE,
        ) == 200  # fmt: skip
