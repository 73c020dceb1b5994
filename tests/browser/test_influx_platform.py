"""InfluxDB as a whole platform's hot store is killed under an open page, and comes back.

The page says what is wrong, shows nothing but what is stored, names the panel whose live values are
older than what is stored, and is complete by itself afterwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from tests.browser.platform.seconds import (
    FREQUENCY,
    PANEL,
    is_well,
    lacks_nothing_since,
    opened,
    shows_nothing_but,
    shows_nothing_false,
    warehoused,
    was_said,
)
from tests.support import influx_server
from tests.support.influx_server import InfluxProcess
from tests.support.running_platform import (
    RECOVERY_SECONDS,
    RunningPlatform,
    started,
    wait_for,
    wait_until_flowing,
)
from tests.support.screens import Screen

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not influx_server.is_installed(), reason=influx_server.MISSING),
]

AWAY_MS = 30_000
"""For how long the server stays away."""


@dataclass(frozen=True)
class OnInflux:
    """A platform, and the server of its hot store."""

    platform: RunningPlatform
    server: InfluxProcess


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnInflux]:
    with (
        influx_server.influx_process(tmp_path_factory.mktemp("influx")) as server,
        started(tmp_path_factory.mktemp("home"), server.settings()) as platform,
    ):
        wait_until_flowing(platform)
        yield OnInflux(platform, server)


@pytest.fixture
def screen(browser: Browser, running: OnInflux) -> Iterator[Screen]:
    shown = Screen(browser, running.platform.dashboard)
    yield shown
    shown.close()
    assert shown.errors == []


def test_a_hot_store_that_is_killed_is_told_and_the_page_comes_back_complete(
    screen: Screen, running: OnInflux
) -> None:
    platform = running.platform
    opened(screen, platform)
    begun = datetime.now(UTC)
    running.server.kill()
    screen.until(lambda: was_said(screen, "the hot store does not answer"), RECOVERY_SECONDS)
    behind = f"{FREQUENCY} behind"
    screen.until(lambda: behind in screen.text(f".panel-{PANEL} .late"), RECOVERY_SECONDS)
    assert "stale" in (screen.panel(PANEL).get_attribute("class") or "").split()
    screen.page.wait_for_timeout(AWAY_MS)
    assert screen.link() == "BEHIND"
    wait_for(
        "nothing that is not stored",
        lambda: shows_nothing_but(screen, lambda: warehoused(platform)),
        RECOVERY_SECONDS,
    )
    running.server.start()
    screen.until(lambda: is_well(screen), RECOVERY_SECONDS)
    screen.until(lambda: lacks_nothing_since(screen, platform, begun), RECOVERY_SECONDS)
    assert shows_nothing_false(screen, platform)
    screen.until(lambda: screen.panel(PANEL).locator(".late").count() == 0, RECOVERY_SECONDS)
