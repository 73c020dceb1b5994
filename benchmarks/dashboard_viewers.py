"""What viewers of the dashboard cost, and how long a row takes from its receipt to a page.

A market as busy as a German intraday afternoon lands in a home of its own: 20 changes of order
books and 3 trades a second over 60 contracts, and the grid's frequency each second. They go through
the hot lane, the hot store and the live bus. The dashboard is a process of its own; each viewer
watches the contracts, one ladder, one tape, the frequency and the status, and acknowledges.

    python benchmarks/dashboard_viewers.py [--seconds 20] [--json dashboard_viewers.json]

The memory is what the process has for itself. It imports its libraries here; under `energy-platform
up` it shares them with other processes.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from energy_platform.dashboard.intraday import BOOK, CONTRACT, TRADE
from energy_platform.dashboard.topics.frequency import SOURCES
from tests.support.dashboard import Desk

VIEWERS: Final = (1, 50, 200)
CONTRACTS: Final = 60
BOOKS_A_SECOND: Final = 20
TRADES_A_SECOND: Final = 3
REGION: Final = "DE-Freiburg"
SETTLE_SECONDS: Final = 5.0
START_SECONDS: Final = 120.0
WITH_GOALS: Final = 50
MOST_VIEWERS: Final = VIEWERS[-1]
TOPICS: Final = (
    "contracts:DE-LU:QH", "book:DE-LU:NX_7", "trades:DE-LU:NX_7", "frequency:CE", "status",
)  # fmt: skip


class Market:
    """Lets messages land, as their providers send them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._revision = 0
        self._chance = random.Random(1)

    def open(self) -> None:
        """Send every contract and its first book."""
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        self._desk.receive(
            CONTRACT,
            [contract(number, start + number * timedelta(minutes=15))
             for number in range(CONTRACTS)],
        )  # fmt: skip
        for number in range(CONTRACTS):
            self._send_book(number, snapshot=True)

    def run(self, ended: threading.Event) -> None:
        """Send what a second brings, each second, until told to end."""
        due = time.monotonic()
        while not ended.is_set():
            for part in range(BOOKS_A_SECOND):
                self._send_book(self._one_of_them(part))
                if part in {3, 10, 17}:
                    self._desk.receive(TRADE, [self._trade(7 if part == 3 else self._any())])
                due += 1 / BOOKS_A_SECOND
                ended.wait(max(0.0, due - time.monotonic()))
            self._desk.receive(SOURCES["CE"], self._frequency(int(time.time())), region=REGION)

    def burst(self, seconds: int, *, trades: int) -> None:
        """Send at once what so many seconds bring.

        Args:
            seconds: How many.
            trades: So many trades are told of again and again, in a new revision each time.
        """
        last = int(time.time())
        books = [[self._book(self._one_of_them(part))] for part in range(BOOKS_A_SECOND * seconds)]
        self._desk.receive(BOOK, *books, [self._book(7)], snapshot="false")
        told = [[self._trade(self._any(), of=trades)] for _ in range(TRADES_A_SECOND * seconds)]
        self._desk.receive(TRADE, *told)
        since = range(last - seconds, last)
        self._desk.receive(SOURCES["CE"], *map(self._frequency, since), region=REGION)
        # The hot lane waits for a warehouse that is far behind.
        self._desk.batch(BOOK, TRADE, SOURCES["CE"])

    def _any(self) -> int:
        return self._chance.randrange(CONTRACTS)

    def _one_of_them(self, part: int) -> int:
        """Return a contract; every fourth is the one that is watched."""
        return 7 if part % 4 == 0 else self._any()

    def _send_book(self, number: int, *, snapshot: bool = False) -> None:
        book = [self._book(number, snapshot=snapshot)]
        self._desk.receive(BOOK, book, snapshot=str(snapshot).lower())

    def _book(self, number: int, *, snapshot: bool = False) -> dict[str, Any]:
        self._revision += 1
        levels = range(10) if snapshot else [self._chance.randrange(10)]
        return {
            "contractId": f"NX_{number}", "deliveryAreaId": 23, "revisionNo": self._revision,
            "updatedAt": _now(),
            "buyOrders": [self._order(f"b{level}", 8000 - 10 * level) for level in levels],
            "sellOrders": [self._order(f"s{level}", 8010 + 10 * level) for level in levels],
        }  # fmt: skip

    def _order(self, name: str, price: int) -> dict[str, Any]:
        volume = self._chance.randrange(1, 500) * 100
        return {"orderId": name, "price": price, "qty": volume, "updatedAt": _now(),
                "deleted": False}  # fmt: skip

    def _trade(self, number: int, *, of: int | None = None) -> dict[str, Any]:
        """Return a trade of a contract; the newest revision of one of so many, if they are said."""
        self._revision += 1
        name = self._revision if of is None else self._revision % of
        legs = [
            {"contractId": f"NX_{number if of is None else name % CONTRACTS}", "side": side,
             "unitPrice": 8000, "quantity": 1000, "deliveryAreaId": 23, "aggressor": side == "BUY"}
            for side in ("BUY", "SELL")
        ]  # fmt: skip
        return {
            "tradeId": f"t{name}", "tradeTime": _now(), "state": "COMPLETED",
            "currency": "EUR", "revisionNo": 1 if of is None else self._revision,
            "deleted": False, "mediumDisplayName": "QH", "updatedAt": _now(), "legs": legs,
        }  # fmt: skip

    def _frequency(self, second: int) -> dict[str, Any]:
        return {"unix_seconds": [second], "data": [50 + self._chance.gauss(0, 0.02)],
                "deprecated": False}  # fmt: skip


def contract(number: int, start: datetime) -> dict[str, Any]:
    """Return a contract of a quarter of an hour, as the exchange states it."""
    length = timedelta(minutes=15)
    return {
        "contractId": f"NX_{number}", "contractName": f"QH-{number}", "durationSeconds": 900,
        "resolutionSeconds": 900, "predefined": True, "deleted": False, "productId": "XBID_QH",
        "productType": "P15MIN", "marketId": "XBID", "updatedAt": _now(),
        "dlvryStart": start.isoformat(), "dlvryEnd": (start + length).isoformat(),
        "dlvryAreaState": [
            {"dlvryAreaId": 23, "state": "ACTI",
             "openAt": (start - timedelta(hours=30)).isoformat(),
             "closedAt": (start - timedelta(minutes=5)).isoformat()}
        ],
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat()


@contextmanager
def dashboard(desk: Desk) -> Iterator[psutil.Process]:
    """Run the dashboard of a home as a process."""
    script = str(Path(sys.executable).parent / "energy-platform")
    process = subprocess.Popen(
        [script, "dashboard", "--port", str(desk.port)],
        env={**os.environ, "ENERGY_PLATFORM_HOME": str(desk.settings.home),
             "ENERGY_PLATFORM_HOT_DAYS": str(desk.settings.hot_days)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(desk.port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
    except httpx.HTTPError:
        return False


@dataclass(frozen=True, slots=True)
class Watched:
    """What viewers cost, and what they got.

    Attributes:
        share: The share of a core in percent.
        memory_mb: The process's own memory.
        delays: How old the newest row of each frame of a ladder was, in seconds, in order of size.
        fewest: How many frames of the ladder the viewer got who got fewest; `most`, who got most.
        jumps: How many frames were left out for a viewer, or came as a snapshot instead.
    """

    share: float
    memory_mb: float
    delays: Sequence[float]
    fewest: int
    most: int
    jumps: int


@dataclass(slots=True)
class Seat:
    """One viewer: reads and acknowledges for ever.

    Attributes:
        delays: How old the newest row of each frame of the ladder was.
        jumps: How many frames did not follow the one before.
    """

    delays: list[float] = field(default_factory=list)
    jumps: int = 0
    _place: int | None = None

    def forget(self) -> None:
        """Begin to measure."""
        self.delays.clear()
        self.jumps = 0

    async def watch(self, socket: ClientConnection, topics: Sequence[str]) -> None:
        """Watch topics."""
        await socket.send(orjson.dumps({"op": "open", "topics": dict.fromkeys(topics)}).decode())
        received = 0
        async for message in socket:
            received += 1
            if received % 5 == 0:
                await socket.send(orjson.dumps({"op": "ack", "n": received}).decode())
            if b'"t":"book' in message[:12].encode():  # type: ignore[union-attr] # text
                self._take(orjson.loads(message), datetime.now(UTC))

    def _take(self, said: dict[str, Any], now: datetime) -> None:
        follows = self._place is None or said["s"] == self._place + 1
        self.jumps += not follows
        self._place = said["s"]
        ages = [now - datetime.fromisoformat(row["received_at"]) for row in said["rows"]]
        if ages and "snap" not in said:
            self.delays.append(min(ages).total_seconds())


async def measured(
    port: int, process: psutil.Process, viewers: int, seconds: float, topics: Sequence[str]
) -> Watched:
    """Let viewers watch topics for some seconds."""
    seats = [Seat() for _ in range(viewers)]
    async with AsyncExitStack() as stack:
        tasks = []
        for seat in seats:
            socket = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{port}/live", max_size=2**26, compression=None)
            )
            tasks.append(asyncio.create_task(seat.watch(socket, topics)))
        await asyncio.sleep(SETTLE_SECONDS)
        for seat in seats:
            seat.forget()
        before, began = _cpu_seconds(process), time.monotonic()
        await asyncio.sleep(seconds)
        share = (_cpu_seconds(process) - before) / (time.monotonic() - began) * 100
        assert not any(task.done() for task in tasks), "a viewer was disconnected"
        memory = process.memory_full_info().uss / 2**20
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    counts = [len(seat.delays) for seat in seats]
    return Watched(
        share=share,
        memory_mb=memory,
        delays=sorted(delay for seat in seats for delay in seat.delays),
        fewest=min(counts),
        most=max(counts),
        jumps=sum(seat.jumps for seat in seats),
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def share(ordered: Sequence[float], of_all: float) -> float | None:
    """Return the value below which a share of all is, of values in order of size."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * of_all))] if ordered else None


def told(viewers: int, found: Watched) -> Iterator[Figure]:
    """Yield the figures of a number of viewers; one of the numbers has goals."""
    values = (found.share, found.memory_mb, share(found.delays, 0.5), share(found.delays, 0.95))
    wanted = (goals.VIEWERS_CPU, goals.VIEWERS_MEMORY, goals.FRAME_P50, goals.FRAME_P95)
    for goal, value in zip(wanted, values, strict=True):
        what = goal.what.replace(f"{WITH_GOALS} viewers", f"{viewers} viewers")
        of_it = goal if viewers == WITH_GOALS else replace(goal, what=what, wanted=None)
        yield of_it.measured(value)
    if viewers == MOST_VIEWERS:
        note = f"each of {viewers} got {found.fewest} to {found.most} frames of the ladder"
        yield goals.MANY_P95.measured(share(found.delays, 0.95), note)
        yield goals.MANY_LOST.measured(found.jumps)


def figures(seconds: float) -> Iterator[Figure]:
    """Measure with each number of viewers."""
    with tempfile.TemporaryDirectory() as folder:
        desk, ended = Desk(Path(folder) / "home", serves=False), threading.Event()
        market = Market(desk)
        market.open()
        sending = threading.Thread(target=market.run, args=[ended])
        try:
            with dashboard(desk) as process:
                sending.start()
                for viewers in VIEWERS:
                    found = asyncio.run(measured(desk.port, process, viewers, seconds, TOPICS))
                    yield from told(viewers, found)
        finally:
            ended.set()
            if sending.is_alive():
                sending.join()
            desk.close()


def main() -> None:
    """Measure, print a table, and write JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--json", type=Path)
    asked = arguments.parse_args()
    found = list(figures(asked.seconds))
    print_table(found)
    if asked.json:
        write_json(found, asked.json)


if __name__ == "__main__":
    main()
