"""Chromium on the traders' screens. Tests say what must be seen; how it is found belongs here."""

import csv
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    sync_playwright,
)

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_SECONDS = 30.0
_LINK_COMPLAINTS = (
    "WebSocket connection to",
    "Failed to load resource: net::ERR_CONNECTION",
    "Failed to load resource: net::ERR_EMPTY_RESPONSE",
)
"""What Chromium writes on its console while the server is away."""
_TABLE = """panel => Object.fromEntries(
    [...panel.querySelectorAll('.grid-row:not([hidden])')].map(row => [row.dataset.id,
        Object.fromEntries([...row.children].map(cell => [cell.dataset.column, cell.textContent]))])
)"""
_PAGE_POINTS = 10
"""How far PgDn goes in a chart."""
_ASKING = (
    "[data-panel][aria-busy='true'], .panel-note:text('Asking'), .grid-empty:visible:text('Asking')"
)
Table = dict[str, dict[str, str]]
"""The rows in view of a table: what each column's cell says, by the row's id."""
WIDTH, HEIGHT = 1600, 900


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the machine's Chromium; a test that needs one is skipped aloud without."""
    if not os.path.exists(CHROMIUM):  # noqa: PTH110 (a program's place, not a path of ours)
        pytest.skip("SKIPPED: the screens are not driven, because Chromium is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


class Screen:
    """One viewer's page.

    Attributes:
        page: Playwright's page.
        errors: What went wrong in the page: exceptions, errors on its console, and requests that
            left the server. Only a server that is away may be complained of.
    """

    def __init__(self, browser: Browser, address: str, *, zone: str = "America/New_York") -> None:
        # The browser's zone is none of the market's: nothing may be shown in it.
        self._context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, timezone_id=zone
        )
        self.address = address
        self.errors: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)

    def _heard(self, said: ConsoleMessage) -> None:
        is_about_the_link = said.text.startswith(_LINK_COMPLAINTS)
        if said.type == "error" and not is_about_the_link:
            self.errors.append(said.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.errors.append(f"left the server: {request.url}")

    def open(self, place: str) -> None:
        """Go to a page, e.g. `data?source=ceps_load`; wait until it is drawn and hears of news."""
        self.page.goto(f"{self.address}/#/{place}")
        page = self.page.locator(f".page-{place.partition('?')[0]}")
        self.until(lambda: self.link() == "LIVE" and page.count() == 1)

    def close(self) -> None:
        self._context.close()

    def key(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def chart_key(self, panel: str, *keys: str) -> None:
        """Press keys on the chart of a panel, once it is drawn and has points."""
        chart = self.panel(panel).locator(".chart:not(.blank):has(canvas) .chart-keys")
        self.until(lambda: chart.count() == 1)
        chart.focus()
        self.key(*keys)

    def key_until(self, key: str, condition: Callable[[], object], every: float = 1_000) -> None:
        """Press a key every so many milliseconds until it is so.

        One that comes before the page listens is lost; others go one step each.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._holds(condition):
            assert time.monotonic() < deadline, f"{key} does nothing"
            self.key(key)
            self.page.wait_for_timeout(every)

    def link(self) -> str:
        """Return what the screen says of its connection."""
        return self.text(".link")

    def text(self, selector: str) -> str:
        found = self.page.locator(selector)
        return (found.first.text_content() or "") if found.count() else ""

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_text_contents()

    def panel(self, name: str) -> Locator:
        return self.page.locator(f'[data-panel="{name}"]')

    def panels(self) -> list[str]:
        """Return which panels are there."""
        found = self.page.locator("[data-panel]")
        return [str(one) for one in found.evaluate_all("all => all.map(one => one.dataset.panel)")]

    def has_answers(self) -> bool:
        """Return whether no panel waits for an answer any more."""
        return (
            self.page.locator("[data-panel]").count() > 0 and not self.page.locator(_ASKING).count()
        )

    def cell(self, panel: str, row: str, column: str) -> str:
        """Return what one cell of a panel's table shows; '' if the row isn't in view."""
        found = self.panel(panel).locator(
            f'.grid-row[data-id="{row}"]:not([hidden]) [data-column="{column}"]'
        )
        return (found.first.text_content() or "") if found.count() else ""

    def table(self, panel: str) -> Table:
        """Return what is in view of a panel's table."""
        found: Table = self.panel(panel).evaluate(_TABLE)
        return found

    def taken_away(self, panel: str, form: str = "CSV as shown") -> bytes:
        """Return what a panel's menu offers to save."""
        menu = self.panel(panel).locator("details.tools")
        if menu.get_attribute("open") is None:
            menu.locator("summary").click()
        with self.page.expect_download() as waited:
            menu.get_by_text(form, exact=True).click()
        content = Path(waited.value.path()).read_bytes()
        menu.locator("summary").click()
        return content

    def lines(self, panel: str) -> list[dict[str, str]]:
        """Return what a panel shows, chart or table, as the lines of its CSV."""
        return list(csv.DictReader(io.StringIO(self.taken_away(panel).decode())))

    def readouts(self, panel: str, points: int) -> list[str]:
        """Return what a chart of so many points at most says of each, the newest first."""
        self.panel(panel).locator(".chart-keys").focus()
        self.key(*["PageDown"] * (points // _PAGE_POINTS + 1))
        said = []
        for _ in range(points):
            said.append(self.text(f".panel-{panel} .chart-readout"))
            self.key("ArrowLeft")
        return said

    @property
    def hash(self) -> str:
        """The part of the address that says what is shown."""
        return str(self.page.evaluate("location.hash"))

    def theme(self) -> str:
        return str(self.page.evaluate("document.documentElement.dataset.theme"))

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the screen is so."""
        deadline = time.monotonic() + seconds
        while not self._holds(condition):
            assert time.monotonic() < deadline, self.page.locator("main").inner_text()[:2000]
            self.page.wait_for_timeout(50)

    @staticmethod
    def _holds(condition: Callable[[], object]) -> bool:
        try:
            return bool(condition())
        except Error:  # the page was drawn anew under the question
            return False

    def faults(self) -> list[str]:
        """Return what axe finds wrong by WCAG 2 A and AA.

        A screen without a connection is grey on purpose, so it is looked at once it has one.
        """
        rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
        lost = self.page.locator(".screen.link-lost")
        while True:
            self.until(lambda: lost.count() == 0)
            # Playwright's own world is not bound by the page's policy.
            found = Axe().run(self.page, options=rules).response["violations"]
            if not found or lost.count() == 0:
                break
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for one in found
            for node in one["nodes"][:3]
        ]
