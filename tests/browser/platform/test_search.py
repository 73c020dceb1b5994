"""`/` finds contracts, zones, sources and pages, and goes there."""

import pytest

from energy_platform.market.registry import market_sources
from tests.browser.platform import stored_market as market
from tests.browser.platform.pages import PAGES
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]


def found(screen: Screen, words: str, kind: str, title: str) -> None:
    """Type into the search until an entry is found, and take it."""
    screen.key("/")
    screen.until(lambda: screen.page.locator("#command:focus").count())
    screen.page.keyboard.type(words)
    entry = screen.page.locator("#command-list li", has=screen.page.get_by_text(title, exact=True))
    wanted = entry.filter(has=screen.page.locator(".kind", has_text=kind)).first
    screen.until(wanted.count)
    for _ in range(screen.page.locator("#command-list li").count()):
        if wanted.get_attribute("aria-selected") == "true":
            break
        screen.key("ArrowDown")
    assert wanted.get_attribute("aria-selected") == "true"
    screen.key("Enter")


def test_a_contract_is_found_by_its_delivery(screen: Screen, platform: RunningPlatform) -> None:
    screen.open("intraday?area=DE-LU&product=QH")
    screen.until(lambda: len(screen.table("contracts")) > 5)
    contract = market.traded(None).row(5, named=True)
    screen.open("balance")
    found(screen, market.clock(contract["delivery_start"]), "contract", market.span(contract))
    screen.until(lambda: screen.hash.startswith("#/intraday"))
    assert f"contract={contract['contract_id']}" in screen.hash
    chosen = screen.panel("contracts").locator(".grid-row.selected")
    screen.until(lambda: chosen.get_attribute("data-id") == contract["contract_id"])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_found(screen: Screen, page: str) -> None:
    screen.open("data" if page != "data" else "balance")
    title = screen.text(f"nav a[href^='#/{page}']")[1:]
    found(screen, title, "page", title)
    screen.until(lambda: screen.page.locator(f".page-{page}").count())


def test_every_source_is_found(screen: Screen) -> None:
    screen.open("balance")
    screen.until(lambda: "late" in screen.text(".ages") or screen.text(".ages b") not in {"", "…"})
    for name in sorted(market_sources()):
        screen.key("/")
        screen.page.keyboard.type(name)
        screen.until(lambda name=name: name in screen.texts("#command-list .entry"))  # type: ignore[misc]
        screen.key("Escape")
    found(screen, "ceps_load", "source", "ceps_load")
    screen.until(lambda: screen.text(".panel-source h2") == "ceps_load")


def test_a_bidding_zone_leads_to_its_prices(screen: Screen) -> None:
    screen.open("balance")
    found(screen, "HU", "zone", "HU")
    screen.until(lambda: screen.hash.startswith("#/day-ahead"))
    screen.until(lambda: "HU" in screen.texts(".panel-prices .grid-heading"))


def test_a_market_area_leads_to_its_contracts(screen: Screen) -> None:
    screen.open("balance")
    found(screen, "TTG", "zone", "TTG")
    screen.until(lambda: screen.hash.startswith("#/intraday?area=TTG"))
    screen.until(lambda: len(screen.table("contracts")) > 5)


def test_what_is_nowhere_is_not_found(screen: Screen) -> None:
    screen.open("balance")
    screen.key("/")
    screen.page.keyboard.type("nowhere at all")
    screen.until(lambda: screen.texts("#command-list li") == ["Nothing matches"])
    screen.key("Enter")
    assert screen.hash == "#/balance"
