"""Staging a replay in a test: in this process, in small ranges, while something else happens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay.plan import Plan, RangeSize, Share
from energy_platform.pipeline.replay.stage import stage
from energy_platform.pipeline.replay.stager import Stager
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from energy_platform.storage.landing import LandingZone

ROOM: Final = 2**30
SMALL: Final = RangeSize(messages=3)


class Done:
    """A run that was over when it began."""

    def is_running(self) -> bool:
        return False

    def cancel(self) -> None:
        return


@dataclass
class InThisProcess:
    """Stages in this process, as two tasks one after the other, and then lets something happen."""

    zone: LandingZone
    most_bytes: int = ROOM
    afterwards: Callable[[], object] = lambda: None

    def start(self, plan: Plan) -> Done:
        for task in (1, 0):
            share = Share(task, 2)
            stage(self.zone, plan.source, plan.plan_id, share, most_bytes=self.most_bytes)
        self.afterwards()
        return Done()


def stager_of(
    batches: MicroBatches,
    afterwards: Callable[[], object] = lambda: None,
    *,
    most_bytes: int = ROOM,
    size: RangeSize = SMALL,
) -> Stager:
    """Return what stages in this process, in ranges of three messages."""
    runner = InThisProcess(batches.landing, most_bytes, afterwards)
    return Stager(zone=batches.landing, runner=runner, most_bytes=most_bytes, size=size)


def empty(batches: MicroBatches, source: MarketSource) -> None:
    """Remove every row, line and point of a source, as if all had been made wrongly."""
    for table in (market_table(source), quarantine_table(source)):
        before = batches.warehouse.position(table)
        nothing = pl.DataFrame(schema=table.dtypes)
        batches.warehouse.replace(
            table, nothing, range(1_000_000), before=before, after=before.replaced()
        )
    batches.hot_store.clear(measurement(source))
