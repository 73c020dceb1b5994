"""A few sources of a simulated market, struck in every way that needs no whole platform.

What is done to whole platforms is in `soak`; docs/faults.md has a table of both.
"""

import base64
import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pytest

from energy_platform.market.registry import market_source
from simulator.faults import FaultKind
from tests.faults.planted_secrets import (
    holding,
    in_files,
    in_landing,
    in_lists_of_processes,
    planted,
)
from tests.support.environment import UNUSUAL_HOME
from tests.support.running_platform import wait_for
from tests.support.small_market import SmallMarket, small_market

FREQUENCY = "energy_charts_frequency"
BOOK, TRADE = "nord_pool_intraday_order_book", "nord_pool_intraday_trade"
SOURCES = [FREQUENCY, BOOK, TRADE]
PROVIDERS = ["energy_charts", "nord_pool"]
MOST_MEMORY_BYTES = 2 * 2**30
WRONG = [
    FaultKind.SERVER_ERROR, FaultKind.CUT, FaultKind.TRUNCATED, FaultKind.MALFORMED,
    FaultKind.BAD_ROW, FaultKind.HANG, FaultKind.SEQUENCE_GAP, FaultKind.DUPLICATE,
    FaultKind.REORDERED, FaultKind.TOO_MANY_REQUESTS,
]  # fmt: skip


@pytest.fixture
def market(tmp_path: Path) -> Iterator[SmallMarket]:
    with small_market(tmp_path / UNUSUAL_HOME, PROVIDERS, SOURCES) as started:
        yield started


def kill_the_collector(market: SmallMarket) -> None:
    market.kill("collector")
    market.start_collector()


def stop_the_collector(market: SmallMarket) -> None:
    with market.stopped("collector"):
        time.sleep(2.0)


def kill_the_market(market: SmallMarket) -> None:
    market.kill("market")
    market.start_market()


def let_the_market_hang(market: SmallMarket) -> None:
    with market.stopped("market"):
        time.sleep(2.0)


def run_two_collectors(market: SmallMarket) -> None:
    """Let a second collector take its share of the sources, and kill it."""
    log = market.home / "logs" / "collector.log"
    given = log.read_text().count("gives to other collectors")
    market.start_collector("second")
    wait_for(
        "a source of the second collector",
        lambda: log.read_text().count("gives to other collectors") > given,
        120.0,
    )
    market.kill("second")


def let_the_market_fail(market: SmallMarket) -> None:
    for source in SOURCES:
        for kind in WRONG:
            market.ask_fault(source, kind)


def let_the_market_surge(market: SmallMarket) -> None:
    market.ask_fault(BOOK, FaultKind.SURGE, seconds=3.0)
    time.sleep(3.0)
    used = psutil.Process(market.processes["collector"].pid).memory_info().rss
    assert used < MOST_MEMORY_BYTES


STRIKES = [
    kill_the_collector, stop_the_collector, kill_the_market, let_the_market_hang,
    run_two_collectors, let_the_market_fail, let_the_market_surge,
]  # fmt: skip


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_whatever_strikes_a_market_no_row_is_lost_doubled_or_invented(market: SmallMarket) -> None:
    seed = int(os.environ.get("FAULTS_SEED", Random().randrange(2**32)))
    print(f"FAULTS_SEED={seed}")  # noqa: T201 (pytest shows it where the test fails)
    order = [*STRIKES, kill_the_collector]
    Random(seed).shuffle(order)
    market.start_collector()
    market.wait_until_it_moves()
    for strike in order:
        strike(market)
        market.wait_until_it_moves()
    for found in market.accounts():
        name = found.source.name
        assert found.stored > 0, name
        assert found.doubled_at == [], name
        assert found.invented.is_empty(), (name, found.invented)
        assert found.lost.is_empty(), (name, found.lost)


@pytest.mark.timeout(300)
def test_a_secret_is_sent_to_its_market_and_is_nowhere_else(tmp_path: Path) -> None:
    sources, home = [TRADE, "entsoe_load"], tmp_path / UNUSUAL_HOME
    with small_market(home, ["entsoe", "nord_pool"], sources) as market:
        wanted = planted(market.addresses)
        needed = {name for one in sources for name in market_source(one).required_environment}
        assert needed <= wanted.keys()
        market.environment |= wanted
        market.environment |= {
            "ENERGY_PLATFORM_MARKETS": "live",
            "ENERGY_PLATFORM_ADDRESSES": json.dumps(dict(market.addresses)),
        }
        for source in sources:
            market.ask_fault(source, FaultKind.SERVER_ERROR)
        market.start_collector()
        market.wait_until_it_moves()
        processes = [psutil.Process(one.pid) for one in market.processes.values()]
        log = home / "logs" / "collector.log"
        # A feed tells of a refused question once it has asked all of its round.
        wait_for("a refused question", lambda: "answered 50" in log.read_text(), 60.0)
        found = [
            *in_landing(market.batches.landing, sources, wanted),
            *in_lists_of_processes(processes, wanted),
            *in_files(home, wanted, but=[home / "simulator"]),
        ]
    assert found == []


@pytest.mark.parametrize("shift", range(4))
def test_the_search_finds_a_secret_as_it_is_and_within_what_is_packed(
    tmp_path: Path, shift: int
) -> None:
    wanted = planted([])
    name, secret = next(iter(wanted.items()))
    (tmp_path / "plain.log").write_text(f"GET /?token={secret}&x=1")
    pair = f"{'u' * shift}:{secret}:and more".encode()
    (tmp_path / "header.log").write_bytes(b"Basic " + base64.b64encode(pair))
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(secret.encode()))
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "plain.log").write_text(secret)
    found = in_files(tmp_path, wanted, but=[tmp_path / "apart"])
    assert sorted(found) == [
        f"{name} in {file}" for file in ("header.log", "old.log.gz", "plain.log")
    ]
    assert holding(b"nothing", wanted) == []
