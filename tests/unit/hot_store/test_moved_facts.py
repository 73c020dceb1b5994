"""A fact that moves to another time leaves no point behind, in either hot store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import measurement
from energy_platform.storage.hot_store.protocol import HotStore
from tests.support.landed_market import read_ipc
from tests.support.stores import batches_in, land, run_all, show
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parents[2] / "testcases"
MOVING = {source.name: source for source in market_sources().values() if source.facts_move}
FIRST = datetime(2026, 10, 25, 1, tzinfo=UTC)


@pytest.fixture
def batches(store: HotStore, tmp_path: Path) -> MicroBatches:
    return replace(batches_in(tmp_path), hot_store=store)


def a_row(source: MarketSource) -> pl.DataFrame:
    """Return a good row of a source's test cases."""
    cases = sorted((TESTCASES / source.name).iterdir())
    frames = [check_messages(source, case_messages(source, case)).rows for case in cases]
    return pl.concat(frame for frame in frames if not frame.is_empty())[:1]


def revisions(source: MarketSource, count: int) -> list[pl.DataFrame]:
    """Return revisions of one fact, each an hour after the one before it."""
    assert source.revision is not None
    row = a_row(source)
    numbered = source.dtypes[source.revision]
    instants = [name for name in ("delivery_start", "delivery_end") if name in row.columns]
    instants = instants or [source.event_time]
    first = row[source.event_time].item()
    return [
        row.with_columns(
            *(pl.col(name) + (FIRST - first + timedelta(hours=number)) for name in instants),
            (
                pl.lit(FIRST + timedelta(minutes=number)).cast(INSTANT)
                if numbered == INSTANT
                else pl.lit(number, dtype=pl.Int64)
            ).alias(source.revision),
        )
        for number in range(count)
    ]


def as_messages(rows: list[pl.DataFrame]) -> list[RawMessage]:
    messages = []
    for number, row in enumerate(rows):
        body = BytesIO()
        row.drop("received_at", "landing_offset").write_ipc(body)
        at = FIRST + timedelta(days=1, seconds=number)
        messages.append(RawMessage(body=body.getvalue(), received_at=at, landing_offset=0))
    return messages


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("stored", [True, False], ids=["in the warehouse", "in the lane alone"])
def test_the_point_is_where_the_last_revision_says(
    batches: MicroBatches, name: str, *, stored: bool
) -> None:
    source = replace(MOVING[name], parse=read_ipc)
    orders = [*permutations(range(3))]
    for fact, order in enumerate(orders):
        said = revisions(MOVING[name], 3)
        told = [said[n].with_columns(pl.lit(str(fact)).alias(source.key[0])) for n in order]
        for message in as_messages(told):
            land(batches, [message], source=source)
            if stored:
                run_all(batches, source)
            else:
                show(batches, source)
    shown = batches.hot_store.read(measurement(source))[source.event_time].to_list()
    assert shown == [FIRST + timedelta(hours=2)] * len(orders)


def test_the_sources_whose_facts_move() -> None:
    assert MOVING.keys() >= {"nord_pool_intraday_trade", "nord_pool_intraday_contract"}
    assert "nord_pool_intraday_order_book" not in MOVING, "each revision of a book is a fact"
