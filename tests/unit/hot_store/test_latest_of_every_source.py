"""The latest point of every source's curves is the one that holds, in either hot store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.registry import market_sources
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_copy import hot_points
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.storage.hot_store.protocol import HotStore
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parents[2] / "testcases"
CURVES = {
    name: source
    for name, source in market_sources().items()
    if not issubclass(source.rows, InstantRows)
}
NOW = datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_curve(source: MarketSource) -> pl.DataFrame:
    """Return the points of one good row at yesterday's, today's and tomorrow's hours."""
    cases = sorted((TESTCASES / source.name).iterdir())
    frames = [check_messages(source, case_messages(source, case)).rows for case in cases]
    rows = pl.concat(frame for frame in frames if not frame.is_empty())
    row = rows.filter(pl.any_horizontal(pl.col(source.plotted).is_not_null()))[:1]
    starts = [NOW - timedelta(minutes=50) + number * HOUR for number in range(-24, 48)]
    schema = market_table(source).dtypes
    lacking = [pl.lit(None, schema[name]).alias(name) for name in schema if name not in row.columns]
    moved = [row.with_columns(*lacking, **{source.event_time: start}) for start in starts]
    points = pl.concat([hot_points(source, one.cast(pl.Schema(schema))) for one in moved])
    return points.select(*source.tags, source.event_time, *source.fields)


@pytest.mark.parametrize("name", CURVES)
def test_the_latest_is_the_period_that_holds(store: HotStore, name: str) -> None:
    source, about = CURVES[name], measurement(CURVES[name])
    store.write(about, a_curve(source), stop=1)
    found = store.latest(about, at=NOW)
    assert found[source.event_time].to_list() == [NOW - timedelta(minutes=50)]
    assert store.latest(about, at=NOW + HOUR)[source.event_time].to_list() == [
        NOW + timedelta(minutes=10)
    ]
