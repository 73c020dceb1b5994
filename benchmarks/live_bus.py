"""From publishing to following, on each live bus: the time, and the CPU that it takes.

    python benchmarks/live_bus.py [--entries 500] [--json live_bus.json]

One thread publishes entries of 10 rows of trades, 50 a second, and one follower reads them: in the
platform's own Valkey, then in Google's Pub/Sub emulator where it is installed. The clock starts
before an entry is published, and stops when its follower has the rows. CPU seconds are those of
this process, publisher and follower together; the emulator says nothing of Google's own service.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.figures import Figure, print_table, write_json
from benchmarks.goals import BUS_CPU, FOLLOWED_ALONE
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.live_bus.protocol import LiveBus, Rows
from energy_platform.storage.live_bus.pubsub import PubSubBus
from energy_platform.storage.pubsub_address import PubSubAddress
from tests.support.live_bus import LiveBusProcess
from tests.support.pubsub_emulator import MISSING, PubSubEmulator, is_installed

SOURCE: Final = "nord_pool_intraday_trade"
ROWS: Final = 10
PAUSE_SECONDS: Final = 0.02
VALKEY: Final = "Valkey"
BUS_SECONDS: Final = 300.0
WARM_UP: Final = 20
"""Entries before the measured ones, which open connections."""


@contextmanager
def valkey() -> Iterator[LiveBus]:
    """Run the platform's own live bus."""
    with tempfile.TemporaryDirectory() as home:
        process = LiveBusProcess(Path(home))
        try:
            yield process.bus()
        finally:
            process.kill()


@contextmanager
def pubsub() -> Iterator[LiveBus]:
    """Run Google's emulator."""
    with PubSubEmulator() as emulator:
        yield PubSubBus(PubSubAddress("energy", "bench", emulator.address))


def trades(offset: int) -> pl.DataFrame:
    """Return one message's rows, each with the present time in every instant."""
    dtypes = market_table(market_source(SOURCE)).dtypes
    now = datetime.now(UTC)
    return pl.select(
        pl.lit(_value(dtype, offset, now)).cast(dtype).alias(name) for name, dtype in dtypes.items()
    ).select(pl.all().repeat_by(ROWS).explode())


def _value(dtype: pl.DataType, offset: int, now: datetime) -> object:
    match dtype:
        case pl.Datetime():
            return now
        case pl.String():
            return f"trade {offset}"
        case pl.Boolean():
            return True
        case _:
            return offset


def publish(bus: LiveBus, entries: int) -> list[tuple[float, float]]:
    """Publish entries; return when each was begun and how long the call took."""
    told = []
    for offset in range(entries):
        rows, began = trades(offset), time.monotonic()
        bus.publish(SOURCE, rows, copy="", offsets=range(offset, offset + 1))
        told.append((began, time.monotonic() - began))
        time.sleep(PAUSE_SECONDS)
    return told


async def measure(bus: LiveBus, entries: int) -> tuple[pl.DataFrame, float]:
    """Return the seconds of each entry's call and way, and the CPU seconds of all."""
    bus.publish(SOURCE, trades(0).clear(), copy="", offsets=range(0))
    heard: list[float] = []
    began = time.process_time()
    async with aclosing(bus.follow([SOURCE])) as messages:
        first = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(1.0)
        publishing = asyncio.create_task(asyncio.to_thread(publish, bus, entries))
        while len(heard) < entries:
            message = await first if not heard else await anext(messages)
            if not isinstance(message, Rows):
                raise RuntimeError(f"a gap: {message}")  # noqa: TRY004 (nothing is of a wrong type)
            heard.append(time.monotonic())
        told = await publishing
    rows = [(seconds, at - begun) for (begun, seconds), at in zip(told, heard, strict=True)]
    frame = pl.DataFrame(rows, schema=["publish", "follow"], orient="row")
    return frame[WARM_UP:], time.process_time() - began


def figures(name: str, seconds: pl.DataFrame, cpu_seconds: float, entries: int) -> Iterator[Figure]:
    """Yield what was measured of a bus; Valkey's are the figures of `goals`, and two more."""
    for column, what in (("publish", "the call that publishes"), ("follow", "publish to follow")):
        for share in FOLLOWED_ALONE:
            value = seconds[column].quantile(share)
            yield Figure(
                what=f"{name}: {what}, p{share * 100:.0f}",
                value=None if value is None else value * 1000,
                unit="ms",
            )
    yield Figure(
        what=f"{name}: CPU of an entry, publisher and follower",
        value=cpu_seconds / entries * 1000,
        unit="ms",
    )


def failed(name: str, why: str) -> Iterator[Figure]:
    """Yield the figures of a bus that could not be measured."""
    if name == VALKEY:
        yield from (goal.measured(None, why) for goal in (*FOLLOWED_ALONE.values(), BUS_CPU))
    else:
        yield Figure(what=f"{name}: publish to follow", value=None, unit="ms", note=why)


def main() -> None:
    """Measure each bus; what has been measured stays when the next one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=500, help="entries per bus")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    asked = parser.parse_args()
    found: list[Figure] = []
    for name, opened in ((VALKEY, valkey), ("Pub/Sub's emulator", pubsub)):
        try:
            with opened() as bus:
                measuring = asyncio.wait_for(measure(bus, asked.entries + WARM_UP), BUS_SECONDS)
                seconds, cpu = asyncio.run(measuring)
            found += figures(name, seconds, cpu, asked.entries + WARM_UP)
        except Exception as error:  # noqa: BLE001 (the other bus is measured all the same)
            is_missing = opened is pubsub and not is_installed()
            found += failed(name, MISSING if is_missing else f"{error!r}")
        if asked.json:
            write_json(found, asked.json)
    print_table(found)


if __name__ == "__main__":
    main()
