"""A hostile page before the Dagster UI: whatever a browser can send, it changes and reads nothing.

The real Dagster web server stands behind the guard. Each way of asking is tried by pages of another
origin, by a host name that was rebound to this machine, and with an administrator's session in the
browser. The same ways are open to the UI's own page, so what fails here fails because of the guard.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from energy_platform.dashboard.access import guard as guard_module
from energy_platform.dashboard.access.tokens import Scope as TokenScope
from energy_platform.dashboard.access.tokens import Tokens
from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.operations.scrapes import application as metrics_application
from energy_platform.operations.strangers import ProgramsOnly
from energy_platform.operations.supervision.ports import DAGSTER_PATH, webserver_socket
from energy_platform.settings import Settings, StatePlace
from simulator.server import application as simulator_application
from tests.support.chromium import chromium
from tests.support.dagster_webserver import dagster_webserver
from tests.support.feeds import a_world
from tests.support.guarded_app import PASSWORD, guarded_desk, served, with_users
from tests.support.platform_state import PROCESSES

EVIL = "evil.example"
REBOUND = "rebound.example"
GRAPHQL = f"{DAGSTER_PATH}/graphql"
PAUSE = "mutation { setAutoMaterializePaused(paused: true) }"
PAUSED = "{ instance { autoMaterializePaused } }"
ANSWERED = '"data"'
"""What an answer of Dagster contains, and no refusal does."""

_PRELUDE = """async ([target, query]) => {
    const link = target + "?query=" + encodeURIComponent(query);
    const json = JSON.stringify({query});
    const as = type => ({method: "POST", headers: {"Content-Type": type}, body: json,
                         credentials: "include"});
    const text = asked => asked.then(answer => answer.text(), () => "");
    const loaded = (tag, name) => new Promise(resolve => {
        setTimeout(resolve, 5000, "");
        const one = document.createElement(tag);
        if (tag === "link") one.rel = "stylesheet";
        one.onload = one.onerror = () => resolve("");
        one[name] = link;
        document.body.append(one);
    });
    const submitted = (method, fields, encoding) => new Promise(resolve => {
        setTimeout(resolve, 5000, "");
        const frame = document.createElement("iframe");
        frame.name = "hidden" + Math.random();
        const form = document.createElement("form");
        Object.assign(form, {method, action: fields ? target : link, target: frame.name,
                             enctype: encoding});
        for (const [name, value] of Object.entries(fields || {})) {
            const input = document.createElement("input");
            Object.assign(input, {name, value});
            form.append(input);
        }
        document.body.append(frame, form);
        frame.onload = () => resolve("");
        form.submit();
    });
    const subscribed = protocol => new Promise(resolve => {
        const socket = new WebSocket(target.replace("http", "ws"), protocol);
        const heard = [];
        socket.onopen = () => {
            socket.send(JSON.stringify({type: "connection_init"}));
            for (const [id, asked] of [["1", query], ["2", "{ instance { id } }"]])
                socket.send(JSON.stringify({id, type: "start", payload: {query: asked}}));
            setTimeout(() => resolve(heard.join(" ") || "open"), 500);
        };
        socket.onmessage = message => heard.push(message.data);
        socket.onerror = () => resolve("");
    });
    """
WAYS = {
    "get": "return text(fetch(link))",
    "get with the session": 'return text(fetch(link, {credentials: "include"}))',
    "get unread": 'return text(fetch(link, {mode: "no-cors", credentials: "include"}))',
    "post of json": 'return text(fetch(target, as("application/json")))',
    "post of json, unread": 'return text(fetch(target, {...as("application/json"),'
    ' mode: "no-cors"}))',
    "post of text": 'return text(fetch(target, {...as("text/plain"), mode: "no-cors"}))',
    "post of graphql": 'return text(fetch(target, {...as("application/graphql"),'
    ' mode: "no-cors", body: query}))',
    "post with the query in the link": 'return text(fetch(link, {method: "POST", mode: "no-cors",'
    ' credentials: "include"}))',
    "beacon": 'navigator.sendBeacon(target, new Blob([json], {type: "text/plain"}));'
    " await new Promise(resolve => setTimeout(resolve, 200)); return ''",
    "kept alive": 'return text(fetch(target, {...as("text/plain"), mode: "no-cors",'
    " keepalive: true}))",
    "image": 'return loaded("img", "src")',
    "script": 'return loaded("script", "src")',
    "style": 'return loaded("link", "href")',
    "frame": 'return loaded("iframe", "src")',
    "object": 'return loaded("object", "data")',
    "form by get": 'return submitted("get", {query}, "application/x-www-form-urlencoded")',
    "form": 'return submitted("post", {query}, "application/x-www-form-urlencoded")',
    "form of parts": 'return submitted("post", {query}, "multipart/form-data")',
    "form of text": "return submitted(\"post\", {[json.slice(0, -1) + ',\"']: '\":1}'},"
    ' "text/plain")',
    "form with the query in the link": 'return submitted("post", null, "text/plain")',
    "websocket": 'return subscribed("graphql-ws")',
    "websocket of the newer kind": 'return subscribed("graphql-transport-ws")',
}
"""What a page can send; each returns what the page could read of the answer."""


@dataclass
class Guarded:
    """The Dagster UI behind its guard.

    Attributes:
        port: Where the guard listens.
        token: What programs ask with, if they need to.
        asked: Methods and paths that came as far as the guard.
    """

    port: int = 0
    token: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def query(self, query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx.post(
            f"{self.address}{GRAPHQL}", json={"query": query}, headers=headers, timeout=60
        )
        return answer.raise_for_status().json()["data"]

    def is_paused(self) -> bool:
        return bool(self.query(PAUSED)["instance"]["autoMaterializePaused"])


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("dagster")
    where = webserver_socket(folder)
    with dagster_webserver(folder / "home", where) as process:
        family = [one := psutil.Process(process.pid), *one.children(recursive=True)]
        assert [port for one in family for port in one.net_connections("inet")] == []
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(EVIL, REBOUND) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of a server whose pages are under nobody's guard."""
    with served(HTMLResponse("<!doctype html><title>Free cats</title><body>")) as port:
        yield port


@contextmanager
def guarded_ui(settings: Settings, socket: Path) -> Iterator[Guarded]:
    seen = Guarded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard_module, "webserver_at", lambda _: socket)
        _, app = guarded_desk(settings)

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        seen.asked.append((scope.get("method", scope["type"]), scope["path"]))
        await app(scope, receive, send)

    with served(noted) as seen.port:
        yield seen


@pytest.fixture(scope="module")
def open_ui(socket: Path, desk_home: Path) -> Iterator[Guarded]:
    """The UI without a login."""
    with guarded_ui(Settings(home=desk_home), socket) as found:
        yield found


@pytest.fixture(scope="module")
def closed_ui(socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The UI with a user list."""
    home = tmp_path_factory.mktemp("closed")
    with guarded_ui(with_users(home), socket) as found:
        found.token = Tokens.of(StatePlace(home)).make("alice", TokenScope.ADMIN, seconds=3600)
        yield found


def tried(page: Page, way: str, target: str) -> str:
    """Try one way to change something; return what the page could read."""
    read: str = page.evaluate(f"{_PRELUDE}{WAYS[way]}; }}", [target, PAUSE])
    return read


def unpause(ui: Guarded) -> None:
    ui.query(PAUSE.replace("true", "false"))
    ui.asked.clear()


def gains_nothing(page: Page, ui: Guarded, target: str, hostile: str) -> None:
    """Try every way from a hostile page: each comes to the guard, and no further."""
    for way in WAYS:
        unpause(ui)
        page.goto(hostile)
        read = tried(page, way, target)
        assert ANSWERED not in read, (way, read)
        assert any(path.startswith(DAGSTER_PATH) for _, path in ui.asked), way
        assert not ui.is_paused(), way


@pytest.mark.parametrize("host", [EVIL, "localhost"])
def test_a_page_of_another_origin_changes_and_reads_nothing(
    page: Page, open_ui: Guarded, elsewhere: int, host: str
) -> None:
    hostile = f"http://{host}:{elsewhere}/"
    gains_nothing(page, open_ui, f"{open_ui.address}{GRAPHQL}", hostile)


def test_a_name_that_was_rebound_to_this_machine_changes_and_reads_nothing(
    page: Page, open_ui: Guarded
) -> None:
    """The browser takes the page and the UI for one origin, so it would let the page read all."""
    rebound = f"http://{REBOUND}:{open_ui.port}"
    answer = page.goto(f"{rebound}{DAGSTER_PATH}/")
    assert answer is not None
    assert answer.status == 421
    assert "<script" not in page.content()
    gains_nothing(page, open_ui, f"{rebound}{GRAPHQL}", f"{rebound}{DAGSTER_PATH}/")


def test_an_administrators_session_is_of_no_use_to_a_hostile_page(
    session: Page, closed_ui: Guarded, elsewhere: int
) -> None:
    """A page of the same host on another port is of the same site, so cookies go with it."""
    target = f"{closed_ui.address}{GRAPHQL}"
    gains_nothing(session, closed_ui, target, f"http://localhost:{elsewhere}/")


@pytest.fixture(scope="module")
def session(browser: Browser, closed_ui: Guarded) -> Iterator[Page]:
    """A page of a browser in which an administrator is logged in."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{closed_ui.address}{DAGSTER_PATH}/")
        page.get_by_label("User").fill("alice")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{closed_ui.address}{DAGSTER_PATH}/**")
        yield page


def test_the_uis_own_page_reads_and_changes(page: Page, open_ui: Guarded) -> None:
    unpause(open_ui)
    page.goto(f"{open_ui.address}{DAGSTER_PATH}/favicon.svg")
    own = f"{open_ui.address}{GRAPHQL}"
    assert "connection_ack" in tried(page, "websocket", own)
    assert not open_ui.is_paused(), "a subscription changes nothing, not even one's own"
    assert ANSWERED in tried(page, "post of json", own)
    assert open_ui.is_paused()
    unpause(open_ui)


def test_a_link_changes_nothing(page: Page, open_ui: Guarded, elsewhere: int) -> None:
    unpause(open_ui)
    for host in (EVIL, "localhost"):
        page.goto(f"http://{host}:{elsewhere}/")
        page.set_content(f'<a href="{open_ui.address}{GRAPHQL}?query={PAUSE}">Cats</a>')
        page.get_by_role("link").click()
        page.wait_for_url(f"{open_ui.address}/**")
        assert "mutation_by_get" in page.content()
    assert not open_ui.is_paused()


def test_no_other_page_shows_the_ui_in_a_frame(
    page: Page, open_ui: Guarded, elsewhere: int
) -> None:
    page.goto(f"http://{EVIL}:{elsewhere}/")
    page.set_content(f'<iframe src="{open_ui.address}{DAGSTER_PATH}/"></iframe>')
    page.wait_for_load_state("networkidle")
    assert [one.url for one in page.frames[1:]] == ["chrome-error://chromewebdata/"]


def test_where_the_ui_is_read_only_its_own_page_changes_nothing(
    page: Page, socket: Path, tmp_path: Path
) -> None:
    with guarded_ui(Settings(home=tmp_path, dagster_read_only=True), socket) as ui:
        page.goto(f"{ui.address}{DAGSTER_PATH}/favicon.svg")
        assert "read_only" in tried(page, "post of json", f"{ui.address}{GRAPHQL}")
        assert not ui.is_paused()


_FETCHED = """([target, options]) =>
    fetch(target, options).then(answer => answer.text(), () => "")"""


def test_ports_that_only_programs_use_answer_no_page(
    page: Page, elsewhere: int, tmp_path: Path
) -> None:
    """Metrics and the simulator's controls, asked across origins and under a rebound name."""
    world = a_world(tmp_path)
    metrics = metrics_application(PlatformMetrics(list, lambda: PROCESSES))
    simulator = ProgramsOnly(simulator_application(world, []))
    with served(metrics) as metrics_port, served(simulator) as simulator_port:
        for port, path in ((metrics_port, "/metrics"), (simulator_port, "/control/state")):
            ours = f"http://127.0.0.1:{port}{path}"
            assert httpx.get(ours, timeout=60).status_code == 200
            page.goto(f"http://{EVIL}:{elsewhere}/")
            for mode in ("no-cors", "cors"):
                assert page.evaluate(_FETCHED, [ours, {"mode": mode}]) == ""
            answer = page.goto(f"http://{REBOUND}:{port}{path}")
            assert answer is not None
            assert answer.status == 403
        page.goto(f"http://{EVIL}:{elsewhere}/")
        freeze = f"http://127.0.0.1:{simulator_port}/control/freeze"
        page.evaluate(_FETCHED, [freeze, {"method": "POST", "mode": "no-cors"}])
        assert world.clock.frozen_at is None
        httpx.post(freeze, timeout=60).raise_for_status()
        assert world.clock.frozen_at is not None
