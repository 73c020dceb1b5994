"""Collectors in processes of their own ask each provider one at a time, whoever is struck."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from energy_platform.storage.landing import LandingZone
from tests.support import leased_collector

_log = logging.getLogger(__name__)

NAMES = ["source_a", "source_b", "source_c", "source_d"]
TAKEOVER_SECONDS = 15.0
PATIENCE_SECONDS = 60.0


class Market:
    """Answers each question with the next number, and notes who asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[int]] = defaultdict(list)
        market = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                split = urlsplit(self.path)
                query = {name: int(value) for name, [value] in parse_qs(split.query).items()}
                market.asked[split.path[1:]].append(query["by"])
                body = b"%d" % (query["after"] + 1)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def askers(self, since: dict[str, int]) -> dict[str, set[int]]:
        """Return who has asked for each source since it had been asked so often."""
        return {name: set(self.asked[name][since.get(name, 0) :]) for name in NAMES}

    def so_far(self) -> dict[str, int]:
        """Return how often each source was asked for."""
        return {name: len(self.asked[name]) for name in NAMES}


@pytest.fixture
def market() -> Iterator[Market]:
    opened = Market()
    thread = threading.Thread(target=opened.server.serve_forever)
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path, url: str, market: Market) -> Iterator[Start]:
    """Starts a collector with a home of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(name: str) -> "subprocess.Popen[bytes]":
        home = tmp_path / f"home_{name}"
        environment = {
            **os.environ,
            "ENERGY_PLATFORM_HOME": str(home),
            "ENERGY_PLATFORM_LANDING": url,
        }
        with (tmp_path / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", leased_collector.__name__, market.url, *NAMES],
                env=environment,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait(timeout=10)


def until(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something is so; return after how many seconds it was."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def all_asked_by(market: Market, *pids: int) -> Callable[[], bool]:
    """Return whether all sources were asked from now on, by these processes, evenly."""
    since = market.so_far()

    def are() -> bool:
        askers = market.askers(since)
        last = [market.asked[name][-1] for name in NAMES if askers[name]]
        return len(last) == len(NAMES) and {last.count(pid) for pid in pids} == {
            len(NAMES) // len(pids)
        }

    return are


@pytest.mark.nightly_on("folder")
def test_each_source_has_one_owner_through_kills_and_hangs(
    url: str, market: Market, start: Start
) -> None:
    first = start("first")
    until(all_asked_by(market, first.pid))
    second = start("second")
    until(all_asked_by(market, first.pid, second.pid))

    first.send_signal(signal.SIGSTOP)
    _log.info("hung: %.1f s", until(all_asked_by(market, second.pid), TAKEOVER_SECONDS))
    first.send_signal(signal.SIGCONT)
    until(all_asked_by(market, first.pid, second.pid))

    second.kill()
    _log.info("killed: %.1f s", until(all_asked_by(market, first.pid), TAKEOVER_SECONDS))

    third = start("second")
    until(all_asked_by(market, first.pid, third.pid))
    first.terminate()
    _log.info("ended: %.1f s", until(all_asked_by(market, third.pid), TAKEOVER_SECONDS))
    assert first.wait(timeout=20) == 0
    third.terminate()
    assert third.wait(timeout=20) == 0

    for name, asked in market.asked.items():
        turns = [pid for pid, _ in groupby(asked)]
        assert len(turns) <= 4, (name, turns)
        log = LandingZone.open(url).log(name)
        landed = [int(one.body) for one in log.read(0, log.end_offset())]
        assert landed == list(range(1, len(landed) + 1)), name
