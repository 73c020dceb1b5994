"""What the home of these tests holds, and what of it must go on, whatever is damaged."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal
from prometheus_client import generate_latest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.operations.status import SourceState, SourceStatus, source_statuses
from energy_platform.pipeline.hot_lane.lane import bring_up
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import settings
from tests.support.environment import forget_cached
from tests.support.sources import BAD_ROW, EXAMPLE, GARBAGE, example_message, quote
from tests.support.stores import hot, land, quarantined, run_all, stored

OTHER = replace(EXAMPLE, name="other_price")
"""A second source, which must not notice what happens to the first."""
OTHER_MODULE = "from tests.unit.damage.filled_home import OTHER\n"
"""The text of a source module that makes it known."""

APPENDS = 4
EACH = 3
"""How many messages an append has: the log of a source has a segment for each append."""
MESSAGES = APPENDS * EACH


def messages(append: int) -> list[RawMessage]:
    """Return an append's messages: a price of a quarter-hour each, one bad row, one garbage."""
    first = append * EACH
    said = [
        quote(float(first + each), quarter=first + each, minutes=append) for each in range(EACH)
    ]
    if append == 1:
        said[0] = example_message([BAD_ROW, ("CZ", first, 1.0)], minutes=append)
    if append == 2:
        said[2] = example_message(GARBAGE, minutes=append)
    return said


def fill(batches: MicroBatches) -> None:
    """Land messages of both sources and process them, a batch for each append."""
    for source in (EXAMPLE, OTHER):
        for append in range(APPENDS):
            land(batches, messages(append), source=source)
            run_all(batches, source)


def segments(home: Path, source: MarketSource = EXAMPLE) -> list[Path]:
    """Return the segments of a source's log, in order."""
    return sorted((home / "landing" / source.name).rglob("*.arrow"))


def commits(home: Path, name: str) -> list[Path]:
    """Return the log entries of a table, in order."""
    return sorted((home / "warehouse" / name / "_delta_log").glob("*.json"))


def data_files(home: Path, name: str) -> list[Path]:
    """Return the data files of a table, the oldest first."""
    files = (home / "warehouse" / name).glob("*.parquet")
    return sorted(files, key=lambda file: file.stat().st_mtime_ns)


def reopened() -> MicroBatches:
    """Return the home's stores as a process opens them that has just begun."""
    forget_cached()
    return micro_batches()


def status_of(batches: MicroBatches, source: MarketSource) -> SourceStatus:
    """Return a source's status."""
    return {one.name: one for one in source_statuses(settings(), batches)}[source.name]


def assert_others_go_on(batches: MicroBatches) -> None:
    """Check that status, metrics, alerts and a batch of another source are as ever."""
    assert status_of(batches, OTHER).state is not SourceState.UNKNOWN
    assert status_of(batches, OTHER).rows == stored(batches, OTHER).height
    registry = PlatformMetrics(lambda: source_statuses(settings(), batches), list).registry()
    told = generate_latest(registry).decode()
    assert re.search(r'source_rows\{[^}]*source="other_price"\} \d', told)
    look(settings(), batches)
    before = stored(batches, OTHER).height
    land(batches, [quote(77.0, quarter=90, minutes=9)], source=OTHER)
    assert batches.run(OTHER).rows_new == 1
    assert not bring_up(batches, OTHER)
    assert stored(batches, OTHER).height == before + 1


def land_next(batches: MicroBatches, price: float = 500.0) -> None:
    """Land one more message of the example source, as its collector does after a restart."""
    taken = batches.warehouse.committed_offset(market_table(EXAMPLE))
    writer = batches.landing.writer(EXAMPLE.name, at_least=taken)
    writer.append([quote(price, quarter=80, minutes=20)], None)


def assert_next_is_stored(batches: MicroBatches, price: float = 500.0) -> None:
    """Check that a message that lands now is stored and shown, once."""
    land_next(batches, price)
    run_all(batches)
    for said in (stored, hot):
        assert said(batches)["price_eur_per_mwh"].to_list().count(price) == 1


def assert_tables_are(batches: MicroBatches, control: MicroBatches) -> None:
    """Check that tables, quarantine and hot copy hold what those of another home hold."""
    for said in (stored, quarantined, hot):
        assert_frame_equal(said(batches), said(control))
    for table in (market_table(EXAMPLE), quarantine_table(EXAMPLE)):
        assert not batches.warehouse.damage(table)


def rows_at(rows: pl.DataFrame, offsets: Iterable[int]) -> pl.DataFrame:
    """Return the rows with these landing offsets."""
    return rows.filter(pl.col("landing_offset").is_in(list(offsets)))
