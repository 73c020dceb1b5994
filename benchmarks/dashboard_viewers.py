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
from dataclasses import replace
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
SETTLE_SECONDS: Final = 5.0
START_SECONDS: Final = 120.0
WITH_GOALS: Final = 50
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
            for part in range(20):
                self._send_book(7 if part % 4 == 0 else self._chance.randrange(CONTRACTS))
                if part in {3, 10, 17}:
                    self._send_trade(7 if part == 3 else self._chance.randrange(CONTRACTS))
                due += 0.05
                ended.wait(max(0.0, due - time.monotonic()))
            second = int(time.time())
            self._desk.receive(
                SOURCES["CE"],
                {"unix_seconds": [second], "data": [50 + self._chance.gauss(0, 0.02)],
                 "deprecated": False},
                region="DE-Freiburg",
            )  # fmt: skip

    def _send_book(self, number: int, *, snapshot: bool = False) -> None:
        self._revision += 1
        levels = range(10) if snapshot else [self._chance.randrange(10)]
        row = {
            "contractId": f"NX_{number}", "deliveryAreaId": 23, "revisionNo": self._revision,
            "updatedAt": _now(),
            "buyOrders": [self._order(f"b{level}", 8000 - 10 * level) for level in levels],
            "sellOrders": [self._order(f"s{level}", 8010 + 10 * level) for level in levels],
        }  # fmt: skip
        self._desk.receive(BOOK, [row], snapshot=str(snapshot).lower())

    def _order(self, name: str, price: int) -> dict[str, Any]:
        volume = self._chance.randrange(1, 500) * 100
        return {"orderId": name, "price": price, "qty": volume, "updatedAt": _now(),
                "deleted": False}  # fmt: skip

    def _send_trade(self, number: int) -> None:
        self._revision += 1
        legs = [
            {"contractId": f"NX_{number}", "side": side, "unitPrice": 8000, "quantity": 1000,
             "deliveryAreaId": 23, "aggressor": side == "BUY"}
            for side in ("BUY", "SELL")
        ]  # fmt: skip
        row = {
            "tradeId": f"t{self._revision}", "tradeTime": _now(), "state": "COMPLETED",
            "currency": "EUR", "revisionNo": 1, "deleted": False, "mediumDisplayName": "QH",
            "updatedAt": _now(), "legs": legs,
        }  # fmt: skip
        self._desk.receive(TRADE, [row])


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


async def watch(socket: ClientConnection, delays: list[float] | None) -> None:
    """Read and acknowledge for ever; one viewer measures how old the newest row of a ladder is."""
    await socket.send(orjson.dumps({"op": "open", "topics": dict.fromkeys(TOPICS)}).decode())
    received = 0
    async for message in socket:
        received += 1
        now = datetime.now(UTC)
        if received % 5 == 0:
            await socket.send(orjson.dumps({"op": "ack", "n": received}).decode())
        if delays is not None and b'"t":"book' in message[:12].encode():  # type: ignore[union-attr] # text
            said = orjson.loads(message)
            ages = [now - datetime.fromisoformat(row["received_at"]) for row in said["rows"]]
            if ages and "snap" not in said:
                delays.append(min(ages).total_seconds())


async def measured(
    port: int, process: psutil.Process, viewers: int, seconds: float
) -> tuple[float, float, list[float]]:
    """Return the share of a core in percent, the memory in MB, and the delays in seconds."""
    delays: list[float] = []
    async with AsyncExitStack() as stack:
        tasks = []
        for number in range(viewers):
            socket = await stack.enter_async_context(
                connect(f"ws://127.0.0.1:{port}/live", max_size=2**26, compression=None)
            )
            tasks.append(asyncio.create_task(watch(socket, delays if number == 0 else None)))
        await asyncio.sleep(SETTLE_SECONDS)
        delays.clear()
        before, began = _cpu_seconds(process), time.monotonic()
        await asyncio.sleep(seconds)
        share = (_cpu_seconds(process) - before) / (time.monotonic() - began) * 100
        assert not any(task.done() for task in tasks), "a viewer was disconnected"
        memory = process.memory_full_info().uss / 2**20
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return share, memory, sorted(delays)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _share(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def told(viewers: int, share: float, memory: float, delays: Sequence[float]) -> Iterator[Figure]:
    """Yield the figures of a number of viewers; one of the numbers has goals."""
    values = (share, memory, _share(delays, 0.5), _share(delays, 0.95))
    wanted = (goals.VIEWERS_CPU, goals.VIEWERS_MEMORY, goals.FRAME_P50, goals.FRAME_P95)
    for goal, value in zip(wanted, values, strict=True):
        what = goal.what.replace(f"{WITH_GOALS} viewers", f"{viewers} viewers")
        of_it = goal if viewers == WITH_GOALS else replace(goal, what=what, wanted=None)
        yield of_it.measured(value)


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
                    found = asyncio.run(measured(desk.port, process, viewers, seconds))
                    yield from told(viewers, *found)
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
