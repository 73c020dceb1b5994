"""Every figure of every page leads by one click to its lineage: tables, charts, maps, titles."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator

from energy_platform.market.registry import market_sources
from tests.browser.platform.pages import PAGES, Place
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]

FIGURE = re.compile(r"\d")
BEGINS_WITH_A_FIGURE = {"book"}
"""Tables whose first column names no row."""
FILLED = ".grid-row:not([hidden]), .chart:not(.blank), .matrix td, text.price, .panel-note"
"""What a panel has once the server has told of it."""
OF_A_SOURCE = {"sources"}
"""Panels whose figures are about a source as a whole: no message has them."""
MOST_STEPS = 50
"""How far along a chart a point with a value is looked for."""


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_leads_to_its_lineage(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    screen.open(Place.known_at(None).address(page))
    screen.until(screen.has_answers)
    screen.until(lambda: all(screen.panel(one).locator(FILLED).count() for one in PAGES[page]))
    tried = []
    for panel in screen.panels():
        shown = screen.panel(panel)
        cells, charts = figures_of(panel, shown), shown.locator(".chart:not(.blank) .chart-keys")
        for name, figure in cells.items():
            leads(screen, panel, name, figure.click)
        for place in range(charts.count()):
            leads(screen, panel, "chart", partial(pick_a_point, screen, charts.nth(place)))
        tried += [(panel, name) for name in cells] + [(panel, "chart")] * charts.count()
    said = {panel for panel in PAGES[page] if screen.panel(panel).locator(".panel-note").count()}
    assert {panel for panel, _ in tried} | said == set(PAGES[page]), tried


def figures_of(panel: str, shown: Locator) -> dict[str, Locator]:
    """Return what can be clicked in a panel by what it is: one figure of each kind."""
    row = shown.locator(".grid-row:not([hidden])")
    columns = row.first.locator(".grid-cell") if row.count() else row
    first = 0 if panel in BEGINS_WITH_A_FIGURE else 1
    found = {
        f"column {columns.nth(place).get_attribute('data-column')}": columns.nth(place)
        for place in range(first, columns.count())
    }
    for name in ("button.value", ".matrix td button", "text.flow", "text.price"):
        held = shown.locator(name).filter(has_text=FIGURE)
        found |= {f"{name} {place}": held.nth(place) for place in range(min(held.count(), 3))}
    return {
        name: figure
        for name, figure in found.items()
        if figure.is_visible() and FIGURE.search(figure.text_content() or "")
    }


def pick_a_point(screen: Screen, chart: Locator) -> None:
    """Walk along a chart until Enter shows where a value comes from."""
    chart.focus()
    # At a chart's beginning a sum may be of nothing.
    screen.key("PageDown", "PageDown")
    for _ in range(MOST_STEPS):
        screen.key("Enter")
        screen.page.wait_for_timeout(200)
        if screen.page.locator(".lineage").count():
            return
        screen.key("ArrowRight")


def leads(screen: Screen, panel: str, name: str, click: Callable[[], object]) -> None:
    """Require that the drawer shows a source after a click, and the message of a row of it."""
    click()
    opened = screen.page.locator(".lineage")
    try:
        screen.until(lambda: screen.text(".lineage h2") in market_sources())
        if panel not in OF_A_SOURCE:
            screen.until(lambda: "Known since" in (opened.text_content() or ""))
    except AssertionError:
        pytest.fail(f"{panel}, {name}, leads to: {screen.text('.lineage')[:500] or 'nothing'}")
    screen.key("Escape")
    screen.until(lambda: opened.count() == 0)
