"""Every panel of every page shows what the stores have, now and as of an instant, and follows them.

What is known of an instant stands still and must agree at once. What holds now moves while it is
compared, so it is looked at until it agrees.
"""

from datetime import datetime

import pytest

from tests.browser.platform.agreement import wait_until_agreed
from tests.browser.platform.pages import ELSEWHERE, PAGES, Place
from tests.browser.platform.shown import first, plain, utc
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

_IN_VIEW = """panel => [...panel.querySelectorAll('.grid-row:not([hidden])')].map(row => [
    Number(row.getAttribute('aria-rowindex')) - 2, [...row.children].map(cell => cell.textContent)
])"""

_CELLS = "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"


@pytest.mark.parametrize("page", PAGES)
def test_every_panel_is_compared(screen: Screen, platform: RunningPlatform, page: str) -> None:
    """A panel that is added without a comparison fails here."""
    screen.open(Place.known_at(None).address(page))
    compared = set(PAGES[page]) | ELSEWHERE.get(page, set())
    screen.until(lambda: set(screen.panels()) == compared)


@pytest.mark.parametrize("page", PAGES)
def test_values_now_are_the_stores(screen: Screen, platform: RunningPlatform, page: str) -> None:
    place = Place.known_at(None)
    screen.open(place.address(page))
    for name, panel in PAGES[page].items():
        wait_until_agreed(screen, name, panel, place)


def test_processes_are_the_supervisors(screen: Screen, platform: RunningPlatform) -> None:
    screen.open("data")
    lines = screen.panel("processes").locator("tbody tr")

    def agreed() -> bool:
        wanted = [
            [one.name, one.state, str(one.pid), str(one.restarts)]
            for one in platform.processes().values()
        ]
        return wanted != [] and lines.evaluate_all(_CELLS) == wanted

    screen.until(agreed)


@pytest.mark.parametrize("page", PAGES)
def test_what_was_known_is_what_the_library_says(screen: Screen, then: datetime, page: str) -> None:
    place = Place.known_at(then)
    screen.open(f"{place.address(page)}&asof={utc(then)}")
    screen.until(screen.has_answers)
    for name, panel in PAGES[page].items():
        if name != "sources":  # shows what is now, and says so
            found = panel.differences(screen, name, then, place)
            assert found == [], f"{name}: {first(found)}"
        assert_seen_is_exported(screen, name)
    screen.key_until("Escape", lambda: "asof" not in screen.hash)
    screen.until(lambda: screen.page.locator(".asof-bar").count() == 0)


def assert_seen_is_exported(screen: Screen, panel: str) -> None:
    """Compare each row in view of a table with its line of the CSV."""
    rows = screen.panel(panel).evaluate(_IN_VIEW)
    if rows and panel != "sources":
        lines = [list(line.values()) for line in screen.lines(panel)]
        assert [[plain(cell) for cell in cells] for _, cells in rows] == [
            lines[place] for place, _ in rows
        ]
