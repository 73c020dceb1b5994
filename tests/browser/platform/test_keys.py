"""Every key that the help names does what it says; one that is added without a test fails."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.platform.pages import PAGES, Place
from tests.browser.platform.shown import utc
from tests.browser.platform.stored_charts import BERLIN, midnight
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

PAGE_KEYS = dict(zip("123456789", PAGES, strict=True))
QUARTER = timedelta(minutes=15)


def is_open(screen: Screen, selector: str) -> bool:
    return screen.page.locator(selector).count() == 1


def press(screen: Screen, key: str, until: Callable[[], object]) -> None:
    """Press a key once, since many take back what they did, and wait for what it does."""
    screen.key(key)
    screen.until(until)


def pages(screen: Screen) -> None:
    for key, page in PAGE_KEYS.items():
        screen.key_until(key, lambda page=page: is_open(screen, f".page-{page}"))  # type: ignore[misc]
        assert screen.hash.startswith(f"#/{page}")


def search(screen: Screen) -> None:
    press(screen, "/", lambda: screen.page.locator("#command-list:visible li").count() > 0)
    assert is_open(screen, "#command:focus")


def rows(screen: Screen) -> None:
    screen.open("outages?asof=" + utc(datetime.now(UTC).replace(microsecond=0)))  # none comes
    screen.until(lambda: len(screen.table("outages")) > 5)

    def chosen() -> int:
        row = screen.panel("outages").locator(".grid-row.selected:not([hidden])")
        return int(row.first.get_attribute("aria-rowindex") or 0) if row.count() else 0

    last = int(screen.panel("outages").locator(".grid").get_attribute("aria-rowcount") or 0)
    screen.key("Home")
    screen.until(lambda: chosen() == 2)
    for key, place in (("ArrowDown", 3), ("j", 4), ("ArrowUp", 3), ("k", 2), ("End", last),
                       ("Home", 2)):  # fmt: skip
        screen.key(key)
        screen.until(lambda place=place: chosen() == place)  # type: ignore[misc]
    screen.key("PageDown")
    screen.until(lambda: chosen() > 4)
    screen.key("PageUp")
    screen.until(lambda: chosen() == 2)


def as_of(screen: Screen) -> None:
    press(screen, "a", lambda: is_open(screen, ".asof-bar"))
    at = datetime.fromisoformat(asked_for(screen))
    assert timedelta() <= datetime.now(UTC) - at < 2 * QUARTER
    press(screen, "a", lambda: not is_open(screen, ".asof-bar"))


def asked_for(screen: Screen) -> str:
    """Return the instant that the address asks for."""
    return str(screen.page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('asof')"))


def quarter_hours(screen: Screen) -> None:
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    screen.open(f"day-ahead?asof={utc(at)}")
    screen.key("ArrowLeft")
    screen.until(lambda: asked_for(screen) == utc(at - QUARTER))
    screen.key("ArrowRight", "ArrowRight")
    screen.until(lambda: asked_for(screen) == utc(at + QUARTER))


def gate(screen: Screen) -> None:
    """On page 5 the gate is that of the shown day; on pages 1 and 2 that of the chosen delivery."""

    def noon(days: int) -> str:
        today = datetime.now(BERLIN).date()
        return utc(midnight(today + timedelta(days=days)) + timedelta(hours=12))

    screen.open("day-ahead")
    screen.key_until("g", lambda: asked_for(screen) == noon(-1))
    screen.key("Escape")
    for page, panel in (("intraday", "contracts"), ("position", "positions")):
        screen.open(Place.known_at(None).address(page))
        row = screen.panel(panel).locator(".grid-row.selected:not([hidden])")
        screen.until(lambda row=row: row.count() == 1)  # type: ignore[misc]
        screen.key_until("g", lambda: asked_for(screen) in {noon(-1), noon(0)})
        screen.key("Escape")


def marks(screen: Screen) -> None:
    at = midnight(datetime.now(BERLIN).date()) - timedelta(hours=6)
    screen.open(f"balance?asof={utc(at)}")
    labels = screen.page.locator(".asof-marks span")
    screen.until(lambda: labels.count() > 3)
    screen.key("Shift+ArrowLeft")
    # The first gate before six in the evening is that of the first intraday auction.
    screen.until(lambda: asked_for(screen) == utc(at - timedelta(hours=3)))
    screen.key("Shift+ArrowRight")
    screen.until(lambda: asked_for(screen) > utc(at))


def tab(screen: Screen) -> None:
    screen.open("balance")
    reached: set[str] = set()
    for _ in range(80):
        screen.key("Tab")
        reached.add(str(screen.page.evaluate(
            "document.activeElement.closest('[data-panel]')?.dataset.panel"
            " ?? document.activeElement.className"
        )))  # fmt: skip
    assert set(PAGES["balance"]) <= reached
    assert any("gap" in one.split() for one in reached), reached


def escape(screen: Screen) -> None:
    screen.open("outages?asof=" + utc(datetime.now(UTC).replace(microsecond=0)))
    screen.until(lambda: len(screen.table("outages")) > 0)
    screen.key_until("l", lambda: is_open(screen, ".lineage"))
    screen.key("?")
    screen.until(lambda: is_open(screen, "dialog[open]"))
    screen.key("Escape")
    screen.until(lambda: not is_open(screen, "dialog[open]"))
    assert is_open(screen, ".lineage")
    screen.key("Escape")
    screen.until(lambda: not is_open(screen, ".lineage"))
    assert is_open(screen, ".asof-bar")
    screen.key("Escape")
    screen.until(lambda: not is_open(screen, ".asof-bar"))


def lineage(screen: Screen) -> None:
    screen.open("outages")
    screen.until(lambda: len(screen.table("outages")) > 0)
    screen.key_until("l", lambda: is_open(screen, ".lineage"))
    screen.until(lambda: "Known since" in screen.text(".lineage"))
    assert screen.text(".lineage h2") == "entsoe_outage"


def contract(screen: Screen) -> None:
    screen.open("position")
    screen.until(lambda: len(screen.table("positions")) > 8)
    # What is closed has no contract any more, and what is delivered in France none here.
    screen.key_until(
        "ArrowDown", lambda: screen.page.locator(".tool-button:enabled").count() == 1, every=100
    )
    screen.key_until(
        "c", lambda: screen.hash.startswith("#/intraday") and "contract=" in screen.hash
    )


def enter(screen: Screen) -> None:
    screen.open("position")
    screen.until(lambda: is_open(screen, ".panel-entry"))
    screen.key_until("n", lambda: is_open(screen, ".panel-entry input:focus"))


def bell(screen: Screen) -> None:
    press(screen, "b", lambda: is_open(screen, "aside.alarms"))


def watch(screen: Screen) -> None:
    screen.open("day-ahead")
    screen.until(lambda: screen.text(".panel-prices .selected [data-column='DE-LU']") != "")
    screen.key_until("w", lambda: is_open(screen, "form.new-rule"))


def zones(screen: Screen) -> None:
    press(screen, "z", lambda: "UTC" in screen.texts("#command-list .entry"))


def utc_or_market_time(screen: Screen) -> None:
    screen.open("day-ahead")
    press(screen, "u", lambda: screen.text(".clock").endswith("UTC"))
    press(screen, "u", lambda: screen.text(".clock").split()[-1] in {"CET", "CEST"})


def theme(screen: Screen) -> None:
    assert screen.theme() == "dark"
    press(screen, "t", lambda: screen.theme() == "light")


def these_keys(screen: Screen) -> None:
    press(screen, "?", lambda: is_open(screen, "dialog[open]"))


WORKS: dict[str, Callable[[Screen], None]] = {
    "1\N{EN DASH}9": pages, "/": search, "↑ ↓ j k": rows, "A": as_of, "← →": quarter_hours,
    "G": gate, "⇧ ← →": marks, "Tab": tab, "Esc": escape, "L": lineage, "C": contract, "N": enter,
    "B": bell, "W": watch, "Z": zones, "U": utc_or_market_time, "T": theme, "?": these_keys,
}  # fmt: skip
"""What is tested of each key, by the name that the help has for it."""


def test_the_help_names_no_key_without_a_test(screen: Screen) -> None:
    screen.open("data")
    these_keys(screen)
    screen.until(lambda: set(screen.texts("dialog[open] dt")) == set(WORKS))


@pytest.mark.parametrize("name", WORKS)
def test_a_key_works(screen: Screen, platform: RunningPlatform, name: str) -> None:
    screen.open("data")
    WORKS[name](screen)
