"""Makes a demo's home: lands each source's messages in bulk, and runs micro-batches over them.

Sources are made side by side, in as many processes as there are cores, those with most questions
first.
"""

import asyncio
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from demo.plan import ASKED
from demo.polled import answers, in_order, standing_world
from demo.traded import TOLD, told
from demo.windows import Window, windows
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Markets, Settings

_LANDED_AT_ONCE: Final = 5_000
_MESSAGES_OF_A_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What is to be made.

    Attributes:
        home: The demo's home folder, which is empty.
        world: A folder for the simulated world, which is of no use afterwards.
        seed: The world's seed.
        days: How many days end at `end`; see `windows`.
        end: The day after the last one.
    """

    home: Path
    world: Path
    seed: int
    days: int
    end: date

    @property
    def windows(self) -> list[Window]:
        """The days of the demo."""
        return windows(self.days, self.end)

    @property
    def settings(self) -> Settings:
        """The settings of the demo's platform, whatever the environment says."""
        return Settings.model_construct(
            home=self.home, markets=Markets.SIMULATED, batch_messages=_MESSAGES_OF_A_BATCH
        )


Made = Mapping[str, int]
"""How many rows each source has."""


def make(making: Making, on_made: Callable[[str, int], None] = lambda _source, _rows: None) -> Made:
    """Make a demo; return how many rows each source has.

    Args:
        making: What is to be made.
        on_made: Called with a source's name and the number of its rows when it is made.
    """
    chosen = making.windows
    longest_first = sorted(ASKED, key=lambda name: len(in_order(ASKED[name], chosen)), reverse=True)
    tasks: list[Callable[[], Made]] = [partial(_make_told, making)]
    tasks += [partial(_make_asked, making, name) for name in longest_first]
    made: dict[str, int] = {}
    os.environ["POLARS_MAX_THREADS"] = "1"  # of each worker: all cores have one
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        for done in as_completed([pool.submit(task) for task in tasks]):
            for source, rows in done.result().items():
                made[source] = rows
                on_made(source, rows)
    return made


def _make_asked(making: Making, name: str) -> Made:
    source, chosen = market_source(name), making.windows
    folder = making.world / name
    folder.mkdir(parents=True)
    world = standing_world(folder, making.seed, chosen[0].start_at)

    async def received() -> list[RawMessage]:
        asked = answers(source, ASKED[name], chosen, world, making.settings)
        return [message async for message in asked]

    return {name: _store(making, source, asyncio.run(received()))}


def _make_told(making: Making) -> Made:
    chosen = making.windows
    folder = making.world / "nord_pool"
    folder.mkdir(parents=True)
    world = standing_world(folder, making.seed, chosen[0].start_at)
    received: defaultdict[str, list[RawMessage]] = defaultdict(list)
    for name, message in told(chosen, world):
        received[name].append(message)
    return {name: _store(making, market_source(name), received[name]) for name in TOLD}


def _store(making: Making, source: MarketSource, messages: Sequence[RawMessage]) -> int:
    """Land messages, and bring them to the table; return how many rows it has then.

    Raises:
        ValueError: Rows of the demo fail a check.
    """
    batches = open_micro_batches(making.settings)
    guest = batches.landing.guest(source.name)
    for start in range(0, len(messages), _LANDED_AT_ONCE):
        guest.append(messages[start : start + _LANDED_AT_ONCE])
    rows = 0
    while batches.is_behind(source):
        report = batches.run(source)
        rows += report.rows_new
        if not report.quarantined.is_empty():
            raise ValueError(f"{source.name}: {report.quarantined.head(3)}")
    return rows
