"""The real dashboard behind its guard: no route is open, and its pages need nothing forbidden."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from energy_platform.dashboard.access import guarded
from energy_platform.dashboard.server import app
from tests.support.chromium import chromium
from tests.support.dashboard import Desk
from tests.support.guarded_app import PASSWORD, client, guarded_desk, served, with_users

PAGES = ["intraday", "position", "forecasts", "balance", "day-ahead", "flows", "gas", "outages",
         "data"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


async def test_without_a_login_every_route_is_closed(home: Path) -> None:
    settings = with_users(home)
    application = app(settings)
    shown = {
        (method.upper(), path)
        for path, methods in application.openapi()["paths"].items()
        for method in methods
    }
    hidden = {
        (method, route.path)
        for route in application.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    mounted = {("GET", f"{one.path}/x") for one in application.routes if isinstance(one, Mount)}
    asked = {(one, re.sub(r"{[^}]*}", "x", path)) for one, path in shown | hidden | mounted}
    assert {("GET", "/"), ("GET", "/api/catalogue"), ("GET", "/assets/x")} <= asked
    for path in ["/dagster", "/dagster/graphql", "/api/me", "/logout", "/loginx", "/nothing",
                 "/metrics", "/api/openapi.json"]:  # fmt: skip
        asked |= {("GET", path), ("POST", path)}
    guarded_app = guarded(application, settings)
    async with client(guarded_app) as stranger:
        for method, path in sorted(asked):
            answer = await stranger.request(method, path)
            assert (answer.status_code, method, path) == (401, method, path)
    with served(guarded_app) as port:
        for path in ["/live", "/dagster/graphql"]:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://localhost:{port}{path}")
            assert refused.value.response.status_code == 403


def test_the_pages_need_nothing_that_the_policy_forbids(browser: Browser, desk: Desk) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text))
        page.on("request", lambda asked: complaints.append(f"request {asked.url}"))
        for name in PAGES:
            page.goto(f"http://127.0.0.1:{desk.port}/#/{name}")
            page.wait_for_selector("main, [role=main]", timeout=60_000)
            page.wait_for_timeout(300)
    forbidden = [
        said
        for said in complaints
        if "Content Security Policy" in said
        or (said.startswith("request ") and f"//127.0.0.1:{desk.port}/" not in said
            and not said.startswith(("request data:", "request blob:")))
    ]  # fmt: skip
    assert forbidden == []
    assert any(said.endswith(".js") for said in complaints), "the pages' script was asked for"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_login_page(browser: Browser, home: Path, scheme: str) -> None:
    _, guarded_app = guarded_desk(with_users(home))
    with served(guarded_app) as port, browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"http://localhost:{port}/")
        _log_in_by_keys(page, "wrong")
        page.get_by_role("alert").wait_for()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        _log_in_by_keys(page, PASSWORD)
        page.wait_for_function("() => document.title === 'Desk'")


def _log_in_by_keys(page: Page, password: str) -> None:
    # The page puts the cursor there by itself, a moment after it was loaded.
    page.wait_for_function("() => document.activeElement?.id === 'user'")
    page.keyboard.type("bob")
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
