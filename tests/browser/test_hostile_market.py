"""A market that says hostile things everywhere, on every page: text stays text, and in its place.

The same pages and their dialogs are read by axe in both themes, since long and odd texts are the
hardest to lay out.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.support.dashboard import Desk
from tests.support.hostile_market import TEXTS, TURNED, hostile_rows
from tests.support.screens import Screen

PAGES = {
    "intraday": "contracts", "position": "positions", "forecasts": "", "balance": "",
    "day-ahead": "prices", "flows": "", "gas": "", "outages": "outages",
    "data?source=entsoe_outage": "sources",
}  # fmt: skip
"""Each page, and a panel of it whose table has rows."""
FORMULA = re.compile(r"[=+\-@\t\r]")
FIGURE = re.compile(r"-?\d+(\.\d+)?")
RULE = {
    "name": TEXTS[1], "kind": "imbalance", "topic": "source:entsoe_load", "column": "load_mw",
    "where": {}, "above": 0, "below": None, "for_seconds": 0, "margin": 0, "sound": True,
    "channels": False,
}  # fmt: skip

_MADE_ELEMENTS = """() => [...document.querySelectorAll(
    'main script, main img, main iframe, aside img, aside script, [onload], [onerror], [srcdoc]')]
    .map(one => one.outerHTML.slice(0, 200))"""
_OUT_OF_PLACE = """() => {
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) found.push(`page is ${root.scrollWidth} px wide`);
    for (const one of document.querySelectorAll('.panel, .lineage, dialog[open], .bottom, .top')) {
        const box = one.getBoundingClientRect();
        if (box.right > innerWidth + 1) found.push(`${one.className} ends at ${box.right}`);
    }
    for (const tools of document.querySelectorAll('.panel > .panel-head > .tools')) {
        const panel = tools.closest('.panel').getBoundingClientRect();
        if (tools.getBoundingClientRect().right > panel.right)
            found.push(`tools of ${tools.closest('.panel').dataset.panel}`);
    }
    for (const cell of document.querySelectorAll('.grid-row:not([hidden]) > .grid-cell'))
        if (cell.getBoundingClientRect().height > 21)
            found.push(`cell ${cell.dataset.column}: ${cell.getBoundingClientRect().height} px`);
    for (const drawer of document.querySelectorAll('.lineage'))
        if (drawer.scrollWidth > drawer.clientWidth) found.push('drawer scrolls sideways');
    return found.slice(0, 20);
}"""
_TURNS_OTHERS = """turned => {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
        if (!node.data.includes(turned)) continue;
        let element = node.parentElement;
        if (element.closest('select, title, datalist') !== null) continue;
        while (getComputedStyle(element).display === 'inline'
            && !getComputedStyle(element).unicodeBidi.startsWith('isolate'))
            element = element.parentElement;
        const isolated = getComputedStyle(element).unicodeBidi.startsWith('isolate');
        const own = isolated ? node.parentElement : element;
        if (own.textContent !== node.data) found.push(own.outerHTML.slice(0, 300));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    with closing(Desk(desk_home, serves=False)) as served:
        for source, rows in hostile_rows(datetime.now(UTC)):
            served.take(source.name, rows)
        served.serve()
        answer = httpx.post(f"http://127.0.0.1:{served.port}/api/alarms", json=RULE, timeout=30)
        assert answer.is_success, answer.text
        yield served


def settle(screen: Screen, page: str) -> None:
    """Open a page, and wait until what it asks for is there."""
    screen.open(page)
    with_rows = PAGES.get(page, "")
    waiting = ".panel-note:text('Asking'), .grid-empty:visible:text('Asking')"
    screen.until(lambda: screen.page.locator(waiting).count() == 0)
    if with_rows:
        rows = screen.panel(with_rows).locator(".grid-row:not([hidden])")
        screen.until(lambda: rows.count() > 0)


def is_open(screen: Screen, selector: str) -> Callable[[], bool]:
    return lambda: screen.page.locator(selector).count() == 1


def is_harmless(screen: Screen) -> None:
    """Nothing of the market has become an element, ran, moved a panel or turned another's text."""
    assert screen.page.evaluate(_MADE_ELEMENTS) == []
    assert "taken" not in screen.page.title()
    assert screen.page.evaluate(_OUT_OF_PLACE) == []
    assert screen.page.evaluate(_TURNS_OTHERS, TURNED) == []


@pytest.mark.parametrize("page", PAGES)
def test_text_of_the_market_does_nothing_on_any_page(screen: Screen, page: str) -> None:
    settle(screen, page)
    is_harmless(screen)
    screen.page.locator(
        ".panel .source, .panel-sources .selected [data-column='rows']"
    ).first.click()
    screen.until(is_open(screen, ".lineage"))
    screen.page.wait_for_load_state("networkidle")
    is_harmless(screen)


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_wrong_on_any_page(screen: Screen, page: str) -> None:
    settle(screen, page)
    assert screen.faults() == []
    screen.key("t")
    assert screen.faults() == []


DIALOGS: dict[str, tuple[str, str]] = {
    "help": ("?", "dialog.help[open]"),
    "search": ("/", ".command-list:not([hidden]) [aria-selected='true']"),
    "zones": ("z", ".command-list:not([hidden]) [aria-selected='true']"),
    "alarms": ("b", ".alarms .alarm-list"),
    "as of": ("a", ".asof-bar"),
    "lineage": ("l", ".lineage .facts"),
}
"""Each dialog, the key that opens it, and what is there once it is open."""


@pytest.mark.parametrize("dialog", DIALOGS)
def test_axe_finds_nothing_wrong_in_any_dialog(screen: Screen, dialog: str) -> None:
    key, there = DIALOGS[dialog]
    settle(screen, "outages")
    for _ in range(2):
        screen.key_until(key, lambda: screen.page.locator(there).count() > 0)
        screen.page.wait_for_load_state("networkidle")
        assert screen.faults() == []
        is_harmless(screen)
        screen.key("Escape")
        screen.until(lambda: screen.page.locator(there).count() == 0)
        screen.key("t")


def test_axe_finds_nothing_wrong_in_a_new_alarm_and_a_menu(screen: Screen) -> None:
    settle(screen, "outages")
    for _ in range(2):
        screen.panel("outages").locator("summary").click()
        assert screen.faults() == []
        screen.panel("outages").locator("summary").click()
        screen.key_until("l", is_open(screen, ".lineage"))
        screen.key("w")
        screen.until(is_open(screen, ".new-rule"))
        screen.until(lambda: "raised" in screen.text(".alarms"))
        assert screen.faults() == []
        is_harmless(screen)
        screen.key("Escape")
        screen.until(lambda: screen.page.locator(".alarms").count() == 0)
        screen.key("t")


@pytest.mark.parametrize(
    ("page", "panel", "form"),
    [
        ("outages?when=all", "outages", "CSV, all columns"),
        ("position", "changes", "CSV as shown"),
        ("position", "changes", "CSV, all columns"),
    ],
)
def test_no_export_has_a_formula(screen: Screen, page: str, panel: str, form: str) -> None:
    settle(screen, page)
    lines = csv.reader(io.StringIO(screen.taken_away(panel, form).decode(), newline=""))
    fields = [field for line in lines for field in line]
    assert any("cmd|" in field for field in fields)
    assert [one for one in fields if FORMULA.match(one) and not FIGURE.fullmatch(one)] == []
