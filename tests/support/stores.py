"""Real stores in a folder, and a way to die between two of their writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.attempts import Attempts
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.hot_lane.turns import HotTurns
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.pipeline.tables import market_table, measurement, quarantine_table
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from energy_platform.storage.landing import LandingZone
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse
from tests.support.sources import EXAMPLE

FOR_GOOD_DAYS = 36_500
"""Hot days that hold the fixed instants of any test."""


def batches_in(folder: Path, *, batch_messages: int = 1_000) -> MicroBatches:
    """Open the stores below a folder, with the platform's own layout."""
    return MicroBatches(
        landing=LandingZone.open((folder / "landing").as_uri()),
        warehouse=DeltaWarehouse(folder / "warehouse"),
        hot_store=SqliteHotStore(folder / "hot.sqlite"),
        hot_turns=HotTurns(folder / "hot_turns"),
        attempts=Attempts(folder / "attempts"),
        batch_messages=batch_messages,
        hot_days=FOR_GOOD_DAYS,
    )


def land(
    batches: MicroBatches, messages: Sequence[RawMessage], *, source: MarketSource = EXAMPLE
) -> range:
    """Append messages to a source's log as its collector would."""
    return batches.landing.writer(source.name).append(messages, None)


def run_all(batches: MicroBatches, source: MarketSource = EXAMPLE) -> list[BatchReport]:
    """Run micro-batches until all that landed is in the warehouse, then the hot lane."""
    reports = [batches.run(source)]
    while batches.is_behind(source):
        reports.append(batches.run(source))
    show(batches, source)
    return reports


def show(batches: MicroBatches, source: MarketSource = EXAMPLE) -> None:
    """Bring all that landed to the hot copy, with a lane that has just begun."""
    HotLane(batches, source).bring_up()


def stored(batches: MicroBatches, source: MarketSource = EXAMPLE) -> pl.DataFrame:
    """Return every revision in the warehouse, in a fixed order."""
    rows = batches.warehouse.scan(market_table(source)).collect()
    return rows.sort("landing_offset", *source.key, maintain_order=True)


def quarantined(batches: MicroBatches, source: MarketSource = EXAMPLE) -> pl.DataFrame:
    """Return all lines in quarantine, in landing order."""
    failures = batches.warehouse.scan(quarantine_table(source)).collect()
    return failures.sort("landing_offset", "row")


def hot(batches: MicroBatches, source: MarketSource = EXAMPLE) -> pl.DataFrame:
    """Return every point of the hot copy."""
    return batches.hot_store.read(measurement(source))


def assert_same(batches: MicroBatches, other: MicroBatches) -> None:
    """Check that two homes hold the same of the example source."""
    for said in (stored, quarantined, hot):
        assert_frame_equal(said(batches), said(other))
    table, hot_table = market_table(EXAMPLE), measurement(EXAMPLE)
    offsets = {each.warehouse.committed_offset(table) for each in (batches, other)}
    offsets |= {each.hot_store.committed_offset(hot_table) for each in (batches, other)}
    assert len(offsets) == 1


class KilledError(BaseException):
    """Stands for the end of the process; no `except Exception` catches it."""


@dataclass
class Dying:
    """A store whose process dies at one of its calls, before or after making it.

    Attributes:
        store: The store that takes every call.
        is_last: Decides by a call's name and arguments whether the process dies at it.
        done: Whether the call is made first.
    """

    store: Any
    is_last: Callable[[str, tuple[Any, ...]], bool]
    done: bool

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            last = self.is_last(name, args)
            answer = None if last and not self.done else method(*args, **kwargs)
            if last:
                raise KilledError(name)
            return answer

        return call


@dataclass
class Contested:
    """A warehouse to which another writer commits first, a number of times."""

    warehouse: Warehouse
    conflicts: int

    def __getattr__(self, name: str) -> Any:
        if name in ("commit", "replace") and self.conflicts:
            self.conflicts -= 1
            raise CommitConflictError("another writer")
        return getattr(self.warehouse, name)


def contested(batches: MicroBatches, conflicts: int) -> MicroBatches:
    """Return batches whose first writes find that another writer has committed."""
    return replace(batches, warehouse=cast("Warehouse", Contested(batches.warehouse, conflicts)))
