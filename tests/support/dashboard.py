"""The dashboard's server over real stores and a real live bus, and pages that watch it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from energy_platform.dashboard.service import configuration
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Settings
from tests.support.feeds import free_ports
from tests.support.landed_market import Landing, landed
from tests.support.live_bus import LiveBusProcess

PATIENCE_SECONDS = 60.0
Row = dict[str, Any]


class Desk:
    """A home with a live bus, a writer of its stores, and a server that may be started again.

    Args:
        home: The home.
        serves: Whether there is a server from the beginning.
        stores: Settings that name other stores than the platform's own.
    """

    def __init__(
        self, home: Path, *, serves: bool = True, stores: Mapping[str, Any] | None = None
    ) -> None:
        self.bus = LiveBusProcess(home)
        # Points of any year stay in the hot store.
        self.settings = Settings(home=home, hot_days=36_500, **(stores or {}))
        self.batches = open_micro_batches(self.settings)
        self._lanes: dict[str, HotLane] = {}
        [self.port] = free_ports(1)
        self._server: uvicorn.Server | None = None
        if serves:
            self.serve()

    def serve(self) -> None:
        """Start the server, and wait until it answers."""
        server = self._server = uvicorn.Server(configuration(self.settings, self.port))
        self._thread = threading.Thread(target=server.run)
        self._thread.start()
        wait_until(lambda: server.started)

    def end_server(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join()

    def close(self) -> None:
        self.end_server()
        self.bus.kill()

    def show(self, source: str, rows: pl.DataFrame, *, received_at: datetime | None = None) -> None:
        """Let rows land and take them through the hot lane, as a collector would have it."""
        self._shown(source, rows, received_at)

    def store(
        self, source: str, rows: pl.DataFrame, *, received_at: datetime | None = None
    ) -> None:
        """Let rows land and take them through a micro-batch too."""
        report = self.batches.run(self._shown(source, rows, received_at))
        assert report.quarantined.is_empty(), report.quarantined["reason"].to_list()

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Let rows land, good and bad ones, and take them through a micro-batch too."""
        self.batches.run(self._shown(source, rows, None))

    def refuse(self, source: str, rows: pl.DataFrame) -> list[str]:
        """Let rows land that a check refuses; return the reasons."""
        report = self.batches.run(self._shown(source, rows, None))
        reasons: list[str] = report.quarantined["reason"].to_list()
        assert reasons
        return reasons

    def receive(self, name: str, *documents: object, **context: str) -> None:
        """Let messages land as their provider sends them, and take them through the hot lane."""
        source = market_source(name)
        messages = [
            RawMessage(body=json.dumps(document).encode(), received_at=datetime.now(UTC),
                       landing_offset=0, context=context)
            for document in documents
        ]  # fmt: skip
        self.batches.landing.guest(name).append(messages)
        self._lanes.setdefault(name, HotLane(self.batches, source)).bring_up()

    def batch(self, *names: str) -> None:
        """Take all that has landed of some sources to the warehouse."""
        for name in names:
            while self.batches.is_behind(market_source(name)):
                self.batches.run(market_source(name))

    def _shown(self, name: str, rows: pl.DataFrame, received_at: datetime | None) -> MarketSource:
        at = received_at or datetime.now(UTC)
        source = landed(self.batches, Landing(name, at, rows))
        self._lanes.setdefault(name, HotLane(self.batches, source)).bring_up()
        return source

    def get(self, path: str, **query: Any) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", params=query or None, timeout=60)

    @contextmanager
    def page(self, **topics: Mapping[str, Any] | None) -> Iterator["Page"]:
        """Yield a page that has asked for these topics; `__` in a name stands for a colon."""
        with connect(f"ws://127.0.0.1:{self.port}/live", max_size=2**26) as socket:
            page = Page(socket)
            page.open({name.replace("__", ":"): since for name, since in topics.items()})
            yield page


class Page:
    """A page that keeps the rows of each topic as it is told to.

    Attributes:
        rows: The rows by topic and id.
        places: Epoch and sequence by topic, to resume from.
        errors: Why a topic is not shown, until it is.
        snapshots: How many snapshots came of a topic.
        beats: The beats, the newest last.
        received: How many messages have come.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.rows: dict[str, dict[str, Row]] = {}
        self.places: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, str] = {}
        self.snapshots: dict[str, int] = {}
        self.beats: list[Row] = []
        self.received = 0
        self.acknowledges = True

    def open(self, topics: Mapping[str, Mapping[str, Any] | None]) -> None:
        self.send({"op": "open", "topics": dict(topics)})

    def send(self, message: Mapping[str, Any]) -> None:
        self.socket.send(json.dumps(message))

    def acknowledge(self) -> None:
        self.send({"op": "ack", "n": self.received})

    def read(self, seconds: float = 1.0) -> bool:
        """Take the next message; return whether there was one."""
        try:
            said = json.loads(self.socket.recv(timeout=seconds))
        except TimeoutError:
            return False
        self.received += 1
        self._take(said)
        if self.acknowledges:
            self.acknowledge()
        return True

    def closed(self) -> int:
        """Read until the server closes the connection; return the code."""
        try:
            self.until(lambda: False)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 0
        raise AssertionError("the connection is open")

    def until(self, condition: Callable[[], object]) -> None:
        """Read until something is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, str((self.rows, self.errors, self.beats[-1:]))[
                :4000
            ]
            self.read()

    def _take(self, said: Row) -> None:
        topic = said["t"]
        if topic == "beat":
            self.beats.append(said)
        elif "error" in said:
            self.errors[topic] = said["error"]
        else:
            self.errors.pop(topic, None)
            if said.get("snap"):
                self.snapshots[topic] = self.snapshots.get(topic, 0) + 1
                self.rows[topic] = {}
            rows = self.rows[topic]
            rows.update((row["id"], row) for row in said["rows"])
            for gone in said.get("gone", ()):
                rows.pop(gone, None)
            self.places[topic] = {"e": said["e"], "s": said["s"]}


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
