"""The library finds a simulated market by the files that its simulator writes, and by no other."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.sns.endpoint import LISTENS_AT
from energy_platform.ingest import simulated_market
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.session import MarketSession
from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.market.clock import MarketClock
from energy_platform.market.raw_message import RawMessage
from energy_platform.settings import Markets, Settings
from simulator import world as simulator_world
from simulator.server import CONTROLS, running
from tests.support.feeds import a_world

REAL = "https://agsi.gie.eu/api"


class NowhereLanding:
    """A place where nothing lands."""

    cursor: str | None = None

    async def land(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        raise NotImplementedError


def a_session(settings: Settings) -> MarketSession:
    limits = ProviderLimits(settings.state)
    return MarketSession("a", settings.home / "feeds" / "a", settings, limits, NowhereLanding())


def tell(home: Path, text: str) -> None:
    (home / "simulator").mkdir(parents=True, exist_ok=True)
    fresh = home / "simulator" / "fresh"
    fresh.write_text(text)
    fresh.replace(home / "simulator" / simulated_market.ADDRESSES_NAME)


def test_both_sides_mean_the_same_files() -> None:
    for name in ("ADDRESSES_NAME", "CLOCK_NAME", "CERTIFICATE_NAME"):
        assert getattr(simulated_market, name) == getattr(simulator_world, name)
    assert simulator_world.ENDPOINT_NAME == LISTENS_AT


def test_a_session_follows_a_simulator_to_other_ports(home: Path) -> None:
    session = a_session(Settings(home=home))
    with pytest.raises(FeedError, match="does not listen"):
        session.address(REAL)
    tell(home, '{"https://agsi.gie.eu": "http://127.0.0.1:1", "A_QUEUE": "one"}')
    assert session.address(REAL) == "http://127.0.0.1:1/api"
    assert session.secret("A_QUEUE") == "one"
    tell(home, '{"https://agsi.gie.eu": "http://127.0.0.1:2"}')
    assert session.address(REAL) == "http://127.0.0.1:2/api"
    with pytest.raises(FeedError, match=r"no stand-in for https://other\.example"):
        session.address("https://other.example")


def test_what_the_settings_say_goes_before_what_the_simulator_says(home: Path) -> None:
    tell(home, '{"https://agsi.gie.eu": "http://127.0.0.1:1"}')
    mine = Settings(home=home, addresses={"https://agsi.gie.eu": "http://mine"})
    assert a_session(mine).address(REAL) == "http://mine/api"


def test_live_markets_never_look_at_a_simulator_s_files(home: Path) -> None:
    tell(home, '{"https://agsi.gie.eu": "http://127.0.0.1:1"}')
    live = Settings(home=home, markets=Markets.LIVE)
    assert SimulatedMarket.of(live) is None
    assert a_session(live).address(REAL) == REAL


def test_the_folder_may_be_another(home: Path, tmp_path: Path) -> None:
    tell(tmp_path / "elsewhere", '{"https://agsi.gie.eu": "http://127.0.0.1:1"}')
    settings = Settings(home=home, simulator=tmp_path / "elsewhere" / "simulator")
    assert a_session(settings).address(REAL) == "http://127.0.0.1:1/api"


async def test_two_runs_of_a_world_are_reached_where_each_listens(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for _ in range(2):
        async with running(world, []), httpx.AsyncClient(timeout=60) as client:
            assert (await client.get(f"{world.addresses[CONTROLS]}/state")).is_success
            assert world.addresses[CONTROLS] == f"{world.url}/control"


@contextmanager
def a_simulator(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    process = subprocess.Popen([sys.executable, "-m", "simulator"], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def until_reached(market: SimulatedMarket) -> str:
    deadline = time.monotonic() + 180
    while not market.listens():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return market.addresses()[CONTROLS]


def test_a_restarted_simulator_is_found_and_one_that_ends_says_so(home: Path) -> None:
    """Killed, it comes back on other ports with its time; asked to end, it takes its word back."""
    market = SimulatedMarket(home / "simulator")
    with a_simulator(home):
        killed = until_reached(market)
        began = market.clock()
        assert httpx.get(f"{killed}/state", timeout=60).is_success
    assert began is not None
    with a_simulator(home) as process:
        deadline = time.monotonic() + 180
        while market.addresses().get(CONTROLS) in (None, killed):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert httpx.get(f"{market.addresses()[CONTROLS]}/state", timeout=60).is_success
        assert market.clock() == began
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not market.listens()
    assert MarketClock.load(home / "simulator" / simulated_market.CLOCK_NAME) == began


def test_who_waits_for_a_simulator_goes_on_when_it_listens_and_does_not_wait_for_ever(
    home: Path,
) -> None:
    market = SimulatedMarket(home / "simulator")
    market.wait(0.1)
    assert not market.listens()
    telling = threading.Timer(0.3, tell, (home, "{}"))
    telling.start()
    began = time.monotonic()
    market.wait(30)
    assert market.listens()
    assert time.monotonic() - began < 10
    telling.join()
