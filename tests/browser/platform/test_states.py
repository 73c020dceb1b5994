"""One process of a whole platform after the other is killed under an open page.

The page says which one and since when, shows nothing but what the stores hold, comes back by
itself, and then lacks nothing. The files of this folder that only look come before this one.
"""

import os
import random
import re
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_platform.market.registry import market_source
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform, wait_for
from tests.support.screens import Screen

pytestmark = pytest.mark.timeout(1800)

FREQUENCY = "energy_charts_frequency"
PANEL = "frequency-ce"
DAGSTER = ("code-server", "daemon", "webserver", "worker-1", "worker-2")
KILLED: dict[str, Sequence[str]] = {
    "Dagster": DAGSTER, "the hot lane": ["hot-lane"], "the bus": ["live-bus"],
    "the collector": ["collector"], "the dashboard": ["dashboard"],
}  # fmt: skip
EACH = [
    pytest.param(
        names,
        id=told,
        marks=pytest.mark.end_to_end if told == "the hot lane" else pytest.mark.nightly,
    )
    for told, names in KILLED.items()
]
"""One is killed in every run of the tests, the others nightly."""
RANDOM_ROUNDS = 30
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
    points = platform.hot(market_source(FREQUENCY)).filter(region="DE-Freiburg")
    return points.select("observed_at", pl.col("frequency_hz").round(4)).sort("observed_at")


def shows_nothing_false(screen: Screen, platform: RunningPlatform) -> bool:
    """Whether each second that is shown is in the store, with that value."""
    on_screen = shown(screen)
    held = stored(platform)
    return on_screen.join(held, on=held.columns, how="anti").is_empty()


def lacks_nothing_since(screen: Screen, platform: RunningPlatform, begun: datetime) -> bool:
    """Whether each second since then that is stored is shown, and there are newer ones."""
    since = pl.col("observed_at") >= begun - SETTLED
    on_screen, held = shown(screen).filter(since), stored(platform).filter(since)
    newest = on_screen["observed_at"].max()
    if not isinstance(newest, datetime) or newest < datetime.now(UTC) - 3 * SETTLED:
        return False
    known = held.filter(pl.col("observed_at") <= newest)
    return known.height > 0 and known.equals(on_screen)


def kill(platform: RunningPlatform, names: Sequence[str]) -> dict[str, int]:
    pids = {name: platform.pid(name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    return pids


def is_said(screen: Screen, names: Sequence[str]) -> bool:
    """Whether the page has told of what was killed, and since when."""
    said: list[str] = screen.page.evaluate("window.said")
    if list(names) == ["dashboard"]:
        return any(not one.startswith(("LIVE|", "BEHIND|")) for one in said)
    return all(
        any(re.search(rf"since \d\d:\d\d:\d\d: the {name} process ", one) for one in said)
        for name in names
    )


def is_well(screen: Screen) -> bool:
    return screen.link() == "LIVE" and screen.page.locator(".troubles").count() == 0


def opened(screen: Screen, platform: RunningPlatform) -> None:
    screen.open("balance?span-CE=15m")
    screen.until(lambda: is_well(screen), RECOVERY_SECONDS)
    screen.until(lambda: not shown(screen).is_empty())
    wait_for("the same values", lambda: shows_nothing_false(screen, platform), RECOVERY_SECONDS)
    screen.page.evaluate(_RECORD)


@pytest.mark.parametrize("names", EACH)
def test_a_killed_process_is_named_and_the_page_comes_back_complete(
    screen: Screen, platform: RunningPlatform, names: Sequence[str]
) -> None:
    opened(screen, platform)
    begun = datetime.now(UTC)
    pids = kill(platform, names)
    screen.until(lambda: is_said(screen, names), RECOVERY_SECONDS)
    assert shows_nothing_false(screen, platform)
    screen.until(lambda: is_well(screen), RECOVERY_SECONDS)
    assert all(platform.pid(name) != pid for name, pid in pids.items())
    screen.until(lambda: lacks_nothing_since(screen, platform, begun), RECOVERY_SECONDS)
    assert shows_nothing_false(screen, platform)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3))
def test_processes_killed_at_random_leave_the_page_complete(
    screen: Screen, platform: RunningPlatform, seed: int
) -> None:
    chance = random.Random(seed)
    every = [name for names in KILLED.values() for name in names]
    opened(screen, platform)
    begun = datetime.now(UTC)
    for _ in range(RANDOM_ROUNDS):
        kill(platform, chance.sample(every, chance.randint(1, 3)))
        screen.page.wait_for_timeout(chance.uniform(500, 12_000))
    screen.until(lambda: is_well(screen), RECOVERY_SECONDS)
    screen.until(lambda: lacks_nothing_since(screen, platform, begun), RECOVERY_SECONDS)
    assert shows_nothing_false(screen, platform)
