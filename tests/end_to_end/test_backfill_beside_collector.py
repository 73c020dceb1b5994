"""Backfills beside a running collector, killed and run again, held against the market's model.

Simulator, collector and backfills are processes of their own, and all ask one provider.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from energy_platform.ingest.backfill import BackfillRecord, BackfillWindow, catch_up
from energy_platform.ingest.collector.service import feed_statuses
from energy_platform.ingest.collector.source_task import FeedState
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings, StatePlace
from energy_platform.storage.landing import LandingZone
from simulator.journal import Journal
from simulator.world import ADDRESSES_NAME
from tests.support import collector_process
from tests.support.comparison import Comparison, compare
from tests.support.platform_run import simulator_controls

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

PRICE, FREQUENCY = "energy_charts_price", "energy_charts_frequency"
SCRIPT = str(Path(sys.executable).parent / "energy-platform")
UP_SECONDS = 120.0
SEEN_SECONDS = 180.0


@dataclass
class Market:
    """A simulated market and a collector of two of its sources."""

    home: Path
    environment: dict[str, str]
    log: Path

    def backfill(self, source: str, start: datetime, end: datetime) -> subprocess.Popen[str]:
        """Start a backfill of whole days as a user would."""
        window = ["--start", f"{start:%Y-%m-%d}", "--end", f"{end:%Y-%m-%d}"]
        return subprocess.Popen(
            [SCRIPT, "backfill", source, *window],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def states(self) -> set[FeedState]:
        return {status.state for status in feed_statuses(StatePlace(self.home)).values()}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    home, log = tmp_path / "home", tmp_path / "collector.log"
    home.mkdir()
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    simulator = subprocess.Popen([sys.executable, "-m", "simulator"], env=environment)
    try:
        _wait_until_it_listens(home)
        with log.open("w") as output:
            collector = subprocess.Popen(
                [sys.executable, collector_process.__file__, PRICE, FREQUENCY],
                env=environment,
                stderr=output,
            )
        try:
            yield Market(home, environment, log)
        finally:
            collector.terminate()
            assert collector.wait(30) == 0
    finally:
        simulator.terminate()
        simulator.wait(30)


def _wait_until_it_listens(home: Path) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while not (home / "simulator" / ADDRESSES_NAME).exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_killed_and_run_again_a_backfill_brings_all_once_and_disturbs_nobody(
    market: Market,
) -> None:
    seen: set[FeedState] = set()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=60)
    while market.states() != {FeedState.RUNNING}:
        time.sleep(0.1)

    def watch(process: subprocess.Popen[str], seconds: float) -> bool:
        """Watch the collector until a process ends; say whether it did in time."""
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            seen.update(market.states())
            time.sleep(0.2)
        return process.poll() is not None

    prices = market.backfill(PRICE, start, today)
    frequency = market.backfill(FREQUENCY, today - timedelta(days=3), today)
    window = BackfillWindow(source=market_source(PRICE), start=start, end=today)
    record = BackfillRecord(StatePlace(market.home))
    while len(record.landed(window)) < 4:
        assert not watch(prices, 0.5)
    prices.send_signal(signal.SIGKILL)
    prices.communicate()
    assert watch(frequency, 120.0)
    assert "3 of 3 chunks landed (0 by an earlier run" in frequency.communicate()[0]

    again = market.backfill(PRICE, start, today)
    assert watch(again, 240.0)
    said, errors = again.communicate()
    assert (again.returncode, errors) == (0, "")
    summary = re.fullmatch(r"20 of 20 chunks landed \((\d+) by an earlier run, 0 empty\).*\n", said)
    assert summary, said
    assert 4 <= int(summary[1]) < 20
    finished = market.backfill(PRICE, start, today)
    assert "finished before" in finished.communicate(timeout=120)[0]

    # The collector went on undisturbed, and nobody was ever told to ask less.
    assert seen == {FeedState.RUNNING}
    log = market.log.read_text()
    assert "another writer" not in log
    assert "too many requests" not in log

    controls = simulator_controls(market.home)
    httpx.post(f"{controls}/freeze", timeout=60).raise_for_status()
    settings = Settings(home=market.home)
    journal = Journal(market.home / "simulator" / "journal")
    for source in (market_source(PRICE), market_source(FREQUENCY)):
        _assert_all_is_there_once(source, settings, journal)


def _wait_until_seen(source: MarketSource, settings: Settings, journal: Journal) -> Comparison:
    """Wait until the feed has seen what was emitted last; prices are asked for each 30 seconds."""
    batches = open_micro_batches(settings)
    deadline = time.monotonic() + SEEN_SECONDS
    while True:
        catch_up(batches, source, batches.landing.log(source.name).end_offset())
        stored = batches.warehouse.scan(market_table(source)).collect()
        compared = compare(source, journal, stored)
        if compared.stale.is_empty() or time.monotonic() > deadline:
            return compared
        time.sleep(2.0)


def _assert_all_is_there_once(source: MarketSource, settings: Settings, journal: Journal) -> None:
    compared = _wait_until_seen(source, settings, journal)
    # A price that is corrected twice between two polls lacks the first correction, as it would
    # on the real market; a second of frequency is never corrected.
    assert compared.stale.is_empty(), compared.stale.to_dicts()[:9]
    assert source.name == PRICE or compared.lost.is_empty(), compared.lost.to_dicts()[:9]
    assert compared.invented.is_empty()
    assert compared.doubled == 0
    assert compared.journalled > 50_000
    zone = LandingZone.open(settings.landing_url)
    log = zone.log(source.name)
    received = [message.received_at for message in log.read(0, log.end_offset())]
    assert all(before <= after for before, after in pairwise(received))
    tail = log.tail()
    assert tail.cursor is not None
    assert json.loads(tail.cursor)["reached"]
