"""Chromium without a window, driven by Playwright; a test that needs it is skipped without it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip


def executable() -> str | None:
    """Return where Chromium is on this machine, if it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium(*names: str) -> Iterator[Browser]:
    """Run Chromium; it finds these host names on this machine, and no others anywhere."""
    program = executable()
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    rules = ",".join([*(f"MAP {name} 127.0.0.1" for name in names), "MAP * ~NOTFOUND"])
    excluded = ",EXCLUDE localhost,EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*_ARGUMENTS, f"--host-resolver-rules={rules}{excluded}"]
        )
        try:
            yield browser
        finally:
            browser.close()
