"""Page 2 in a browser: values are the store's, users see their portfolios, traders enter."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from energy_platform.dashboard.access.passwords import hashed
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from tests.support.dashboard import Desk
from tests.support.guarded_app import PASSWORD, with_users
from tests.support.screens import Screen
from tests.unit.dashboard.test_intraday import QUARTER, order, send_book, send_contract
from tests.unit.dashboard.test_open_positions import CONTRACT, START, of, prices, state, stated

HOSTILE = "<img src=x onerror=\"document.title='taken'\"> & Söhne"
MINUS = "\N{MINUS SIGN}"
THEN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
WIDTHS = (1280, 1600)
PAGES = ("intraday", "position", "forecasts", "balance", "day-ahead", "flows", "gas", "outages",
         "data")  # fmt: skip
_CUT = """() => [...document.querySelectorAll('.grid-heading, .plain-table th, .matrix th')]
    .filter(one => one.clientWidth > 0 && one.scrollWidth > one.clientWidth)
    .map(one => `${one.closest('.panel')?.dataset.panel}: ${one.textContent}`)"""
_POST = """async () => {
    const me = await (await fetch('/api/me')).json();
    const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': me.csrf};
    const body = JSON.stringify({rows: []});
    return (await fetch('/api/positions', {method: 'POST', headers, body})).status;
}"""
_COVERED = """() => [...document.querySelectorAll('.panel-head > details.tools summary')]
    .filter(one => {
        const box = one.getBoundingClientRect();
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        return !one.contains(document.elementFromPoint(x, y));
    })
    .map(one => one.getAttribute('aria-label'))"""
"""Panels whose menu is not where a click on it goes."""
_BEYOND = """() => [...document.querySelectorAll('.grid')]
    .filter(one => one.clientWidth > 0 && one.scrollWidth > one.clientWidth)
    .map(one => one.closest('.panel')?.dataset.panel)"""


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    """Serve a desk with a user list: bob trades `wind` alone, alice may see everything."""
    with closing(Desk(desk_home, serves=False)) as served:
        served.settings = with_users(desk_home, hot_days=36_500)
        viewer = User(name="vera", role=Role.VIEWER, portfolios=("wind",),
                      password_hash=hashed(PASSWORD))  # fmt: skip
        UserList.of(desk_home).put(viewer)
        send_contract(served, CONTRACT, START)
        send_book(served, 1, buys=[order("a", 49.0, 50.0)], snapshot=True)
        served.store("energy_charts_price", prices(START, [80.0, 81.0]))
        state(served, stated(12.0, portfolio="wind", name=HOSTILE), received_at=THEN)
        state(
            served,
            stated(8.0, portfolio="wind", name=HOSTILE, changed_by="bert"),
            stated(-3.0, START + QUARTER, portfolio="solar", kind="load_forecast"),
        )
        served.serve()
        yield served


@pytest.fixture
def screen(browser: Browser, desk: Desk) -> Iterator[Screen]:
    shown = Screen(browser, f"http://127.0.0.1:{desk.port}")
    yield shown
    shown.close()
    # Refusals are what some of these tests ask for, and what an icon gets before the login.
    assert [said for said in shown.errors if "Failed to load resource" not in said] == []


def log_in(screen: Screen, name: str) -> None:
    screen.page.goto(f"{screen.address}/login")
    screen.page.get_by_label("User").fill(name)
    screen.page.get_by_label("Password").fill(PASSWORD)
    screen.page.keyboard.press("Enter")
    screen.page.wait_for_url(lambda url: "/login" not in url)


def row_of(portfolio: str, at: datetime) -> str:
    return f"{portfolio}|DE-LU|{of(at)}"


def portfolios(screen: Screen) -> set[str]:
    cells = screen.texts(".panel-positions .grid-row:not([hidden]) [data-column='portfolio']")
    return set(cells)


def test_values_are_the_stores_and_each_user_sees_their_portfolios(
    screen: Screen, browser: Browser, desk: Desk
) -> None:
    log_in(screen, "bob")
    screen.open("position")
    wind = row_of("wind", START)
    screen.until(lambda: screen.cell("positions", wind, "open") == "+8.0")
    assert portfolios(screen) == {"wind"}
    # 8 MW for a quarter of an hour: sold at 49, worth 80 at day-ahead.
    assert screen.cell("positions", wind, "close_cost") == f"{MINUS}98"
    assert screen.cell("positions", wind, "value") == "+160"
    assert screen.cell("positions", wind, "changed") == "bert"
    assert HOSTILE in screen.texts(".panel-changes [data-column='name']")
    assert screen.page.locator("main img").count() == 0
    assert "taken" not in screen.page.title()
    other = Screen(browser, screen.address)
    log_in(other, "alice")
    other.open("position")
    other.until(lambda: portfolios(other) == {"wind", "solar"})
    other.until(lambda: "All" in other.texts(".panel-totals [data-column='portfolio']"))
    other.close()
    # A new book, and a new statement, are on the screen by themselves.
    send_book(desk, 2, buys=[order("a", 40.0, 50.0)])
    screen.until(lambda: screen.cell("positions", wind, "close_cost") == f"{MINUS}80")
    state(desk, stated(6.0, portfolio="wind", name=HOSTILE))
    screen.until(lambda: screen.cell("positions", wind, "open") == "+6.0")
    screen.until(lambda: len(screen.texts(".panel-changes [data-column='change']")) >= 3)
    # As of an hour ago it was another one.
    at = (THEN + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    screen.open(f"position?asof={at}")
    screen.until(lambda: screen.cell("positions", wind, "open") == "+12.0")
    assert screen.page.locator(".panel-entry").count() == 0
    screen.key("Escape")
    screen.until(lambda: screen.cell("positions", wind, "open") == "+6.0")


def test_one_key_leads_to_the_contract_and_its_own_position(screen: Screen) -> None:
    log_in(screen, "bob")
    screen.open(f"position?position={row_of('wind', START)}")
    button = screen.page.get_by_role("button", name="Contract")
    screen.until(button.is_enabled)
    screen.key("c")
    screen.until(lambda: f"contract={CONTRACT}" in screen.hash)
    screen.until(lambda: screen.cell("contracts", CONTRACT, "position") != "")
    assert screen.cell("contracts", CONTRACT, "position")[0] == "+"
    assert screen.cell("contracts", CONTRACT, "close_cost")[0] == MINUS


def test_a_viewer_sees_no_controls_and_can_not_post(screen: Screen) -> None:
    log_in(screen, "vera")
    screen.open("position")
    screen.until(lambda: portfolios(screen) == {"wind"})
    assert screen.page.locator(".panel-entry").count() == 0
    assert screen.page.locator("input[type=file]").count() == 0
    status = screen.page.evaluate(_POST)
    assert status == 403


def test_a_trader_enters_a_row_by_keyboard_and_sees_what_is_refused(
    screen: Screen, tmp_path: Path
) -> None:
    sent: list[dict[str, object]] = []

    def answer(route: Route) -> None:
        asked = route.request
        is_json = asked.headers["content-type"].startswith("application/json")
        sent.append({"body": asked.post_data, "token": asked.headers.get("x-csrf-token", "")})
        if is_json:
            route.fulfill(status=202, json={"id": "s-1", "rows": 1})
        else:
            fault = {"line": 3, "column": "power_mw", "reason": "power_mw <b>ten</b> is no number"}
            route.fulfill(status=400, json={"error": "1 row", "name": "WrongRows", "rows": [fault]})

    log_in(screen, "bob")
    screen.page.route("**/api/positions", answer)
    screen.open("position")
    screen.until(lambda: portfolios(screen) == {"wind"})
    screen.key_until("n", lambda: screen.page.locator(".panel-entry input:focus").count() == 1)
    screen.page.keyboard.type("wind")
    for value in (None, None, "EPEX", "2026-10-25", "02:00", "02:15B", "-12.5"):
        screen.key("Tab")
        if value is not None:
            screen.page.keyboard.press("Control+a")
            screen.page.keyboard.type(value)
    screen.key("Enter")
    screen.until(lambda: "comes twice" in screen.text(".faults"))
    assert sent == []
    screen.page.locator("[name=from]").fill("02:00B")
    screen.key("Enter")
    screen.until(lambda: "Taken, one row" in screen.text(".entry-told"))
    [row] = json.loads(str(sent[0]["body"]))["rows"]
    assert (row["delivery_start"], row["delivery_end"], row["power_mw"]) == (
        "2026-10-25T01:00:00.000Z",
        "2026-10-25T01:15:00.000Z",
        -12.5,
    )
    assert sent[0]["token"] != ""
    file = tmp_path / "positions.csv"
    file.write_text("portfolio,area\n")
    screen.page.locator("input[type=file]").set_input_files(file)
    screen.until(lambda: "line 3" in screen.text(".faults"))
    assert "power_mw <b>ten</b> is no number" in screen.text(".faults")
    assert screen.page.locator(".faults b").count() == 0
    assert screen.faults() == []
    screen.key("Escape")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_heading_is_cut(screen: Screen, width: int) -> None:
    log_in(screen, "alice")
    screen.page.set_viewport_size({"width": width, "height": 900})
    for page in PAGES:
        screen.open(page)
        screen.page.evaluate("document.fonts.ready")
        screen.page.wait_for_timeout(400)
        assert (page, screen.page.evaluate(_CUT)) == (page, [])
        assert (page, screen.page.evaluate(_COVERED)) == (page, [])
        if width == max(WIDTHS):  # a narrower screen scrolls its widest tables sideways
            assert (page, screen.page.evaluate(_BEYOND)) == (page, [])


def test_axe_finds_nothing_wrong(screen: Screen) -> None:
    log_in(screen, "alice")
    screen.open("position")
    screen.until(lambda: portfolios(screen) == {"wind", "solar"})
    assert screen.faults() == []
    screen.key("t")
    assert screen.faults() == []
