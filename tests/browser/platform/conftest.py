"""One whole platform on simulated markets, for all tests of this folder, and a screen of it.

The files are run in the order of their names: those that only look come before `test_states.py`,
which kills processes. What a test changes, it changes back.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser

from energy_platform.market.registry import market_sources
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table
from tests.support.environment import UNUSUAL_HOME, forget_cached
from tests.support.running_platform import (
    RECOVERY_SECONDS,
    RunningPlatform,
    started,
    wait_for,
    wait_until_flowing,
)
from tests.support.screens import Screen


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """A platform on which every source has flowed; the library of this process reads its stores."""
    with (
        started(tmp_path_factory.mktemp("platform") / UNUSUAL_HOME) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        wait_until_flowing(running)
        patch.setenv("ENERGY_PLATFORM_HOME", str(running.home))
        forget_cached()
        yield running
        forget_cached()


@pytest.fixture(scope="module")
def then(platform: RunningPlatform) -> datetime:
    """An instant of which the warehouse has all that was known."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    batches = micro_batches()
    ends = {one: batches.landing.log(one.name).end_offset() for one in market_sources().values()}

    def all_stored() -> bool:
        return all(batches.warehouse.position(market_table(one)).offset >= end
                   for one, end in ends.items())  # fmt: skip

    wait_for("whole warehouse", all_stored, RECOVERY_SECONDS)
    return at


@pytest.fixture
def screen(browser: Browser, platform: RunningPlatform) -> Iterator[Screen]:
    """A screen of the platform; nothing may go wrong on it."""
    shown = Screen(browser, platform.dashboard)
    yield shown
    shown.close()
    assert shown.errors == []
