"""Each panel of each page tells how old it is, and dims once one of its sources is late."""

import httpx
import pytest

from tests.browser.platform.pages import PAGES, Place
from tests.support.platform_run import simulator_controls
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform
from tests.support.screens import Screen

pytestmark = pytest.mark.timeout(900)

FREQUENCY = "energy_charts_frequency"
PANEL = "frequency-ce"
BAN_SECONDS = 150.0
"""How long the provider refuses to answer: its frequency is late after a minute."""
WIDE, NARROW = {"width": 1600, "height": 900}, {"width": 1280, "height": 800}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, marks=pytest.mark.end_to_end if page == "balance" else pytest.mark.nightly
        )
        for page in PAGES
    ],
)
def test_each_panel_tells_its_age_and_all_its_sources(
    screen: Screen, platform: RunningPlatform, page: str, size: dict[str, int]
) -> None:
    screen.page.set_viewport_size(size)  # type: ignore[arg-type]
    screen.open(Place.known_at(None).address(page))
    screen.until(screen.has_answers)
    # Page 9 shows the panel of a source once the server has told of it.
    screen.until(lambda: panels_of_sources(screen))
    screen.until(lambda: all(tells_its_age(screen, one) for one in panels_of_sources(screen)))
    for panel in panels_of_sources(screen):
        assert answering(screen, panel) <= set(screen.texts(f".panel-{panel} .source")), panel


def panels_of_sources(screen: Screen) -> list[str]:
    """Return the panels that show values of sources."""
    return [one for one in screen.panels() if screen.panel(one).locator(".source").count()]


def tells_its_age(screen: Screen, panel: str) -> bool:
    age = screen.panel(panel).locator(".age")
    return age.is_visible() and age.text_content() not in {"", None}


def answering(screen: Screen, panel: str) -> set[str]:
    """Return the sources whose answers a panel of several offers to save."""
    menu = screen.panel(panel).locator("details.tools")
    menu.locator("summary").click()
    screen.until(menu.locator(".menu").count)
    names = {text.split()[0] for text in menu.locator(".menu-head").all_text_contents()}
    menu.locator("summary").click()
    return names


@pytest.mark.nightly
def test_a_source_that_stops_is_named_where_it_is_shown_until_it_returns(
    screen: Screen, platform: RunningPlatform
) -> None:
    screen.open("balance")
    screen.until(lambda: not late(screen), RECOVERY_SECONDS)
    ban = {"source": FREQUENCY, "kind": "too_many_requests", "seconds": BAN_SECONDS}
    httpx.post(
        f"{simulator_controls(platform.home)}/faults", json=ban, timeout=60
    ).raise_for_status()
    screen.until(lambda: late(screen) == {PANEL: f"▲ {FREQUENCY} late"}, RECOVERY_SECONDS)
    stale = screen.page.locator(".panel.stale")
    assert [stale.get_attribute("data-panel")] == [PANEL]
    assert "bad" in (screen.panel(PANEL).locator(".age").get_attribute("class") or "")
    of_source = screen.page.locator(".ages .fresh", has_text=FREQUENCY)
    assert "late" in (of_source.text_content() or "")
    assert screen.link() == "LIVE"
    screen.until(lambda: not late(screen), RECOVERY_SECONDS)
    assert stale.count() == 0
    assert "late" not in (of_source.text_content() or "")


def late(screen: Screen) -> dict[str, str]:
    """Return which source each panel names as late."""
    return {
        panel: text
        for panel in screen.panels()
        if (text := screen.text(f".panel-{panel} .late")) != ""
    }
