"""A hostile page in a real browser: it reads nothing and changes nothing, by whatever way.

Beside each attack the same is done by the desk's own page, and works: what fails here fails because
of the guard.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from energy_platform.settings import Settings
from tests.support.chromium import chromium
from tests.support.guarded_app import PASSWORD, Desk, guarded_desk, served, with_users

EVIL = "evil.example"
REBOUND = "rebound.example"

ATTACK = """async (target) => {
    const sent = await Promise.allSettled([
        fetch(target + "/api/change", {method: "POST", mode: "no-cors", body: "x"}),
        fetch(target + "/api/change", {method: "POST", credentials: "include", body: "{}",
                                       headers: {"Content-Type": "application/json"}}),
        fetch(target + "/api/who", {credentials: "include"}).then((answer) => answer.text()),
    ]);
    const form = document.createElement("form");
    Object.assign(form, {method: "post", action: target + "/api/change", target: "hidden"});
    const frame = document.createElement("iframe");
    frame.name = "hidden";
    document.body.append(frame, form);
    const submitted = new Promise((resolve) => { frame.onload = resolve; });
    form.submit();
    await submitted;
    const said = await new Promise((resolve) => {
        const socket = new WebSocket(target.replace("http", "ws") + "/live");
        socket.onmessage = (message) => resolve(message.data);
        socket.onerror = () => resolve("refused");
    });
    const read = sent[2].status === "fulfilled" ? sent[2].value : "";
    return {read, said};
}"""


@dataclass
class Watched:
    """The desk behind its guard, and which requests came to the guard."""

    desk: Desk
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(EVIL, REBOUND) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of a server whose page is under nobody's guard."""
    with served(HTMLResponse("<!doctype html><title>Free cats</title>")) as port:
        yield port


def watched(settings: Settings) -> Iterator[Watched]:
    desk, app = guarded_desk(settings)
    seen = Watched(desk)

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        seen.asked.append((scope.get("method", scope["type"]), scope["path"]))
        await app(scope, receive, send)

    with served(noted) as seen.port:
        yield seen


@pytest.fixture
def open_desk(home: Path) -> Iterator[Watched]:
    """A desk without login."""
    yield from watched(Settings(home=home))


@pytest.fixture
def closed_desk(home: Path) -> Iterator[Watched]:
    """A desk with a user list."""
    yield from watched(with_users(home))


def attack(page: Page, target: str) -> Any:
    return page.evaluate(ATTACK, target)


def test_our_own_page_reads_changes_and_listens(page: Page, open_desk: Watched) -> None:
    ours = f"http://localhost:{open_desk.port}"
    page.goto(ours)
    assert page.title() == "Desk"
    result = page.evaluate(
        """async (target) => {
            const answer = await fetch(target + "/api/change", {method: "POST"});
            const said = await new Promise((resolve) => {
                const socket = new WebSocket(target.replace("http", "ws") + "/live");
                socket.onmessage = (message) => resolve(message.data);
            });
            return {status: answer.status, said};
        }""",
        ours,
    )
    assert result == {"status": 200, "said": "local: price"}
    assert open_desk.desk.changes == ["local"]


@pytest.mark.parametrize("host", [EVIL, "localhost", "127.0.0.1"])
def test_a_page_of_another_origin_reads_and_changes_nothing(
    page: Page, open_desk: Watched, elsewhere: int, host: str
) -> None:
    page.goto(f"http://{host}:{elsewhere}/")
    assert page.title() == "Free cats"
    assert attack(page, f"http://localhost:{open_desk.port}") == {"read": "", "said": "refused"}
    assert open_desk.desk.changes == []
    assert {("POST", "/api/change"), ("GET", "/api/who"), ("websocket", "/live")} <= set(
        open_desk.asked
    ), "the attack came as far as the guard"


def test_a_name_that_was_rebound_to_this_machine_shows_nothing(
    page: Page, open_desk: Watched
) -> None:
    rebound = f"http://{REBOUND}:{open_desk.port}"
    answer = page.goto(rebound)
    assert answer is not None
    assert answer.status == 421
    assert "prices" not in page.content()
    assert "local" not in str(attack(page, rebound))
    assert open_desk.desk.changes == []
    assert ("POST", "/api/change") in open_desk.asked


def test_a_session_in_the_browser_is_of_no_use_to_a_hostile_page(
    page: Page, closed_desk: Watched, elsewhere: int
) -> None:
    ours = f"http://localhost:{closed_desk.port}"
    page.goto(f"{ours}/?area=GB")
    page.get_by_label("User").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{ours}/?area=GB")
    assert page.title() == "Desk"
    assert page.evaluate("() => document.cookie") == ""
    page.goto(f"http://localhost:{elsewhere}/")
    assert attack(page, ours) == {"read": "", "said": "refused"}
    assert closed_desk.desk.changes == []


def test_a_frame_of_another_page_does_not_show_ours(
    page: Page, open_desk: Watched, elsewhere: int
) -> None:
    page.goto(f"http://{EVIL}:{elsewhere}/")
    page.set_content(f'<iframe src="http://localhost:{open_desk.port}/"></iframe>')
    page.wait_for_load_state("networkidle")
    assert all("prices" not in frame.content() for frame in page.frames)


def test_a_link_from_elsewhere_opens_the_desk(
    page: Page, open_desk: Watched, elsewhere: int
) -> None:
    page.goto(f"http://{EVIL}:{elsewhere}/")
    page.set_content(f'<a href="http://localhost:{open_desk.port}/">Desk</a>')
    page.get_by_role("link").click()
    page.wait_for_url("**/")
    assert page.title() == "Desk"


def test_inline_script_does_not_run(page: Page, open_desk: Watched) -> None:
    page.goto(f"http://localhost:{open_desk.port}/")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.ran = 1">');
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.ran") is None
