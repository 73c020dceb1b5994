"""Chromium on the traders' screens. Tests say what must be seen; how it is found belongs here."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright

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
        errors: What went wrong in the page: exceptions, and what its policy forbade.
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
        self.page.on(
            "console",
            lambda said: (
                self.errors.append(said.text) if "Content Security Policy" in said.text else None
            ),
        )

    def open(self, place: str) -> None:
        """Go to a page, e.g. `data?source=ceps_load`; wait until it hears of the server."""
        self.page.goto(f"{self.address}/#/{place}")
        self.until(lambda: self.link() == "LIVE")

    def close(self) -> None:
        self._context.close()

    def key(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

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

    def cell(self, panel: str, row: str, column: str) -> str:
        """Return what one cell of a panel's table shows; '' if the row isn't in view."""
        found = self.panel(panel).locator(
            f'.grid-row[data-id="{row}"]:not([hidden]) [data-column="{column}"]'
        )
        return (found.first.text_content() or "") if found.count() else ""

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
        """Return what axe finds wrong by WCAG 2 A and AA."""
        rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
        # Playwright's own world is not bound by the page's policy.
        found = Axe().run(self.page, options=rules).response["violations"]
        return [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for one in found
            for node in one["nodes"][:3]
        ]
