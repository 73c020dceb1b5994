"""One process of a whole platform after the other is killed under an open page.

The page says which one and since when, shows nothing but what the stores hold, comes back by
itself, and then lacks nothing. The files of this folder that only look come before this one.
"""

import os
import random
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tests.browser.platform.seconds import (
    is_well,
    lacks_nothing_since,
    opened,
    said,
    shows_nothing_false,
    was_said,
)
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform
from tests.support.screens import Screen

pytestmark = pytest.mark.timeout(1800)

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


def kill(platform: RunningPlatform, names: Sequence[str]) -> dict[str, int]:
    pids = {name: platform.pid(name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    return pids


def is_told(screen: Screen, names: Sequence[str]) -> bool:
    """Whether the page has told of what was killed, and since when."""
    if list(names) == ["dashboard"]:
        return any(not one.startswith(("LIVE|", "BEHIND|")) for one in said(screen))
    return all(was_said(screen, f"the {name} process ") for name in names)


@pytest.mark.parametrize("names", EACH)
def test_a_killed_process_is_named_and_the_page_comes_back_complete(
    screen: Screen, platform: RunningPlatform, names: Sequence[str]
) -> None:
    opened(screen, platform)
    begun = datetime.now(UTC)
    pids = kill(platform, names)
    screen.until(lambda: is_told(screen, names), RECOVERY_SECONDS)
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
