"""The seconds of the frequency's chart beside the stored ones, and what the page says meanwhile."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from energy_platform.market.registry import market_source
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform, wait_for
from tests.support.screens import Screen

FREQUENCY = "energy_charts_frequency"
PANEL = "frequency-ce"
SETTLED = timedelta(seconds=20)
"""How old a second is that is certainly everywhere while all is well."""

_RECORD = """() => {
    window.said = [];
    const look = () => {
        const link = document.querySelector('.link')?.textContent ?? '';
        const troubles = document.querySelector('.troubles')?.textContent ?? '';
        const now = `${link}|${troubles}`;
        if (window.said[window.said.length - 1] !== now) window.said.push(now);
    };
    look();
    new MutationObserver(look).observe(document.body,
        { subtree: true, childList: true, characterData: true });
}"""


def shown(screen: Screen) -> pl.DataFrame:
    """Return the seconds of the chart, as the page would save them."""
    lines = screen.lines(PANEL)
    return pl.DataFrame(
        {
            "observed_at": [datetime.fromisoformat(line["time_utc"]) for line in lines],
            "frequency_hz": [float(line["Frequency Hz"]) for line in lines],
        },
        schema={"observed_at": pl.Datetime("us", "UTC"), "frequency_hz": pl.Float64},
    ).sort("observed_at")


def stored(platform: RunningPlatform) -> pl.DataFrame:
    """Return the same seconds as the hot store has them, to the decimals of the page."""
    return _as_shown(platform.hot(market_source(FREQUENCY)))


def warehoused(platform: RunningPlatform) -> pl.DataFrame:
    """Return the same seconds as the warehouse has them, which follows some seconds later."""
    return _as_shown(platform.stored(market_source(FREQUENCY)))


def _as_shown(rows: pl.DataFrame) -> pl.DataFrame:
    of_grid = rows.filter(region="DE-Freiburg")
    return of_grid.select("observed_at", pl.col("frequency_hz").round(4)).sort("observed_at")


def shows_nothing_but(screen: Screen, held: Callable[[], pl.DataFrame]) -> bool:
    """Whether each second that is shown is held, with that value; a store is asked afterwards."""
    on_screen = shown(screen)
    known = held()
    return on_screen.join(known, on=known.columns, how="anti").is_empty()


def shows_nothing_false(screen: Screen, platform: RunningPlatform) -> bool:
    """Whether each second that is shown is in the hot store, with that value."""
    return shows_nothing_but(screen, lambda: stored(platform))


def lacks_nothing_since(screen: Screen, platform: RunningPlatform, begun: datetime) -> bool:
    """Whether each second since then that is stored is shown, and there are newer ones."""
    since = pl.col("observed_at") >= begun - SETTLED
    on_screen, held = shown(screen).filter(since), stored(platform).filter(since)
    newest = on_screen["observed_at"].max()
    if not isinstance(newest, datetime) or newest < datetime.now(UTC) - 3 * SETTLED:
        return False
    known = held.filter(pl.col("observed_at") <= newest)
    return known.height > 0 and known.equals(on_screen)


def said(screen: Screen) -> list[str]:
    """Return what the page has said of its link and of troubles, one after the other."""
    told: list[str] = screen.page.evaluate("window.said")
    return told


def was_said(screen: Screen, words: str) -> bool:
    """Whether the page has said something, and since when it is so."""
    return any(re.search(rf"since \d\d:\d\d:\d\d: {words}", one) for one in said(screen))


def is_well(screen: Screen) -> bool:
    return screen.link() == "LIVE" and screen.page.locator(".troubles").count() == 0


def opened(screen: Screen, platform: RunningPlatform) -> None:
    screen.open("balance?span-CE=15m")
    screen.until(lambda: is_well(screen), RECOVERY_SECONDS)
    screen.until(lambda: not shown(screen).is_empty())
    wait_for("the same values", lambda: shows_nothing_false(screen, platform), RECOVERY_SECONDS)
    screen.page.evaluate(_RECORD)
