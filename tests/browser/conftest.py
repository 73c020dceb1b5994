"""What all tests in a browser share: Chromium, a home for the desk's server, and a screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.dashboard import Desk
from tests.support.environment import home_at
from tests.support.screens import Screen, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def desk_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of this module's own, which the environment names meanwhile."""
    with (
        pytest.MonkeyPatch.context() as patch,
        home_at(tmp_path_factory.mktemp("d"), patch) as home,
    ):
        yield home


@pytest.fixture
def screen(browser: Browser, desk: Desk) -> Iterator[Screen]:
    """A screen of the module's desk; nothing may go wrong on it."""
    shown = Screen(browser, f"http://127.0.0.1:{desk.port}")
    yield shown
    shown.close()
    assert shown.errors == []
