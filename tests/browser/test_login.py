"""Who looks, in a browser: log in and out, pauses, and what each user sees on every page."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import polars as pl
import pytest
from playwright.sync_api import Browser

from energy_platform.dashboard.access.passwords import hashed
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from tests.support.dashboard import Desk
from tests.support.guarded_app import PASSWORD, with_users
from tests.support.screens import Screen
from tests.unit.dashboard.test_open_positions import state, stated

PAGES = ("intraday", "position", "forecasts", "balance", "day-ahead", "flows", "gas", "outages",
         "data?source=position")  # fmt: skip
HIDDEN = "hidden-portfolio"
_STATUS = """async ([method, path, headers]) => {
    const body = method === 'POST' ? JSON.stringify({ rows: [], ids: [], query: '{version}' })
        : undefined;
    return (await fetch(path, { method, headers, body })).status;
}"""
_ANSWER = """async (path) => {
    const answer = await fetch(path);
    return { status: answer.status, text: await answer.text() };
}"""


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    with closing(Desk(desk_home, serves=False)) as served:
        served.settings = with_users(desk_home, hot_days=36_500)
        for name, role in (("vera", Role.VIEWER), ("tom", Role.TRADER)):
            user = User(name=name, role=role, portfolios=("wind",), password_hash=hashed(PASSWORD))
            UserList.of(desk_home).put(user)
        state(served, stated(12.0, portfolio="wind"), stated(-3.0, portfolio=HIDDEN, name=HIDDEN))
        state(served, stated(5.0, portfolio=HIDDEN, name=HIDDEN))
        served.refuse("position", pl.DataFrame([stated(1e9, portfolio=HIDDEN, name=HIDDEN)]))
        served.serve()
        yield served


@pytest.fixture
def screen(browser: Browser, desk: Desk) -> Iterator[Screen]:
    shown = Screen(browser, f"http://127.0.0.1:{desk.port}")
    yield shown
    shown.close()
    # Refusals are what these tests ask for.
    assert [said for said in shown.errors if "Failed to load resource" not in said] == []


def try_to_log_in(screen: Screen, name: str, password: str) -> None:
    screen.page.get_by_label("User").fill(name)
    screen.page.get_by_label("Password").fill(password)
    with screen.page.expect_navigation():
        screen.page.keyboard.press("Enter")


def log_in(screen: Screen, name: str) -> None:
    screen.page.goto(f"{screen.address}/login")
    try_to_log_in(screen, name, PASSWORD)
    screen.page.wait_for_url(lambda url: "/login" not in url)


def status(screen: Screen, method: str, path: str, **headers: str) -> int:
    """Return the status that the page's own script gets."""
    asked = {"Content-Type": "application/json", **headers}
    found: int = screen.page.evaluate(_STATUS, [method, path, asked])
    return found


def token_of(screen: Screen) -> str:
    said: str = screen.page.evaluate("async () => (await (await fetch('/api/me')).json()).csrf")
    return said


@pytest.mark.parametrize("page", [*PAGES, "dagster"])
def test_without_a_login_no_page_is_shown(screen: Screen, page: str) -> None:
    place = "dagster/" if page == "dagster" else f"#/{page}"
    screen.page.goto(f"{screen.address}/{place}")
    assert "/login?next=" in screen.page.url
    assert screen.page.locator("main .panel").count() == 0
    assert status(screen, "GET", "/api/catalogue") == 401


def test_who_logs_out_sees_nothing_any_more_in_any_tab(screen: Screen) -> None:
    log_in(screen, "tom")
    screen.open("balance")
    other = screen.page.context.new_page()
    other.goto(f"{screen.address}/#/data")
    other.locator(".link", has_text="LIVE").wait_for()
    screen.page.get_by_role("button", name="Log out").click()
    screen.page.wait_for_url("**/login")
    assert status(screen, "GET", "/api/me") == 401
    # The open tab's connection ends within seconds.
    other.wait_for_url("**/login?next=*")
    screen.page.goto(f"{screen.address}/#/balance")
    assert "/login" in screen.page.url


def test_a_change_needs_this_sessions_own_token(screen: Screen, browser: Browser) -> None:
    log_in(screen, "tom")
    other = Screen(browser, screen.address)
    log_in(other, "alice")
    others = token_of(other)
    other.close()
    for path in ("/api/positions", "/api/alarms/seen", "/logout"):
        assert status(screen, "POST", path) == 403
        assert status(screen, "POST", path, **{"X-CSRF-Token": others}) == 403
    assert status(screen, "GET", "/api/me") == 200


@pytest.mark.parametrize("user", ["vera", "tom", "alice"])
def test_each_user_sees_their_own_portfolios_alone_on_every_page(screen: Screen, user: str) -> None:
    log_in(screen, user)
    seen = set()
    for page in PAGES:
        screen.open(page)
        screen.until(lambda: screen.page.locator(".panel").count() > 0)
        screen.page.wait_for_load_state("networkidle")
        if page == "position":
            screen.until(lambda: "wind" in screen.texts("[data-column='portfolio']"))
            entries = screen.page.locator(".panel-entry, input[type=file]").count()
            assert (entries > 0) == (user != "vera")
            screen.key("n")
            assert screen.page.locator(".panel-entry :focus").count() == int(user != "vera")
        if HIDDEN in screen.page.content():
            seen.add(page)
    assert ("position" in seen) == (user == "alice")
    assert user == "alice" or seen == set()
    # What a page could ask for is refused too.
    paths = (
        f"/api/positions?portfolio={HIDDEN}", f"/api/positions/open?portfolio={HIDDEN}",
        f"/api/positions/changes?portfolio={HIDDEN}", f"/api/range/position?portfolio={HIDDEN}",
        f"/api/latest/position?portfolio={HIDDEN}", f"/api/lineage/position?portfolio={HIDDEN}",
    )  # fmt: skip
    for path in paths:
        answer = screen.page.evaluate(_ANSWER, path)
        assert user == "alice" or answer["status"] == 403 or HIDDEN not in answer["text"], path
    change = status(screen, "POST", "/api/positions", **{"X-CSRF-Token": token_of(screen)})
    assert (change == 403) == (user == "vera")


@pytest.mark.parametrize("user", ["vera", "tom"])
def test_the_dagster_ui_takes_changes_from_administrators_alone(screen: Screen, user: str) -> None:
    log_in(screen, user)
    reload = 'shutdownRepositoryLocation(repositoryLocationName: "x") { name: __typename }'
    body = {"query": f"mutation {{ {reload} }}"}
    said = screen.page.evaluate(
        """async (body) => (await fetch('/dagster/graphql', {method: 'POST',
            headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})).status""",
        body,
    )
    assert said == 403
    # No Dagster runs here, which is said to who may look.
    assert status(screen, "GET", "/dagster/") == 503


def test_a_token_reaches_what_its_scope_lets_it_until_it_ends(desk: Desk) -> None:
    tokens = Tokens.of(desk.settings.state)
    ended = tokens.make("tom", Scope.READ, seconds=-1)
    begun = {scope: tokens.make("tom", scope, seconds=3600) for scope in Scope}
    address = f"http://127.0.0.1:{desk.port}"

    def answer(token: str, method: str, path: str) -> int:
        return httpx.request(
            method, f"{address}{path}", headers={"Authorization": f"Bearer {token}"},
            json={"rows": [], "query": "mutation { x }"} if method == "POST" else None, timeout=60,
        ).status_code  # fmt: skip

    document = httpx.get(
        f"{address}/api/openapi.json", headers={"Authorization": f"Bearer {begun[Scope.READ]}"}
    ).json()
    paths = [path for path, ways in document["paths"].items() if "get" in ways and "{" not in path
             and path not in {"/api/events", "/api/follow"}]  # fmt: skip
    assert "/api/catalogue" in paths
    for path in paths:
        assert answer(ended, "GET", path) == 401, path
        assert answer(begun[Scope.READ], "GET", path) not in {401, 403}, path
    assert answer(begun[Scope.READ], "POST", "/api/positions") == 403
    assert answer(begun[Scope.POSITIONS], "POST", "/api/positions") not in {401, 403}
    # A token may never more than its user.
    assert answer(begun[Scope.ADMIN], "POST", "/dagster/graphql") == 403


# The last test here: whoever logs in from this address waits after it.


def test_wrong_passwords_pause_the_right_one_too_for_a_while(screen: Screen) -> None:
    screen.page.goto(f"{screen.address}/login")

    def is_paused() -> bool:
        try_to_log_in(screen, "vera", "wrong")
        said = screen.text("[role=alert]")
        assert said.startswith(("Too many tries", "The user or the password is wrong."))
        # The pause must outlast the next try, however slow this machine is.
        seconds = re.search(r"(\d+) s\.$", said)
        return seconds is not None and int(seconds[1]) >= 8

    screen.until(is_paused, 120)
    try_to_log_in(screen, "vera", PASSWORD)
    assert "/login" in screen.page.url
    screen.until(lambda: _is_let_in(screen), 120)


def _is_let_in(screen: Screen) -> bool:
    if "/login" not in screen.page.url:
        return True
    try_to_log_in(screen, "vera", PASSWORD)
    return "/login" not in screen.page.url
