"""A provider serves other values of the past than before: each is a revision of what was known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource, Parser
from energy_platform.pipeline.micro_batch import MicroBatches
from tests.support.stores import land, stored
from tests.support.testcases import case_messages

CASES = Path(__file__).parents[1] / "testcases"
LATER = timedelta(days=1)
BY_DAY = {"ceps_load", "entsoe_load_forecast", "nord_pool_intraday_trade", "smard_price"}


def values(source: MarketSource) -> list[str]:
    """Return the columns with measured or traded numbers; a delivery's length is checked by it."""
    numbers = [name for name, dtype in source.dtypes.items() if dtype == pl.Float64()]
    return [name for name in numbers if name not in {*source.key, "duration_s"}]


def rewritten(source: MarketSource) -> MarketSource:
    """Return the source as of a provider that has corrected every number of its past."""
    return replace(source, parse=partial(corrected_rows, source.parse, values(source)))


def corrected_rows(
    parse: Parser, columns: Sequence[str], messages: Sequence[RawMessage]
) -> pl.DataFrame:
    return parse(messages).with_columns(pl.col(columns) + 0.0625)


def largest_case(source: MarketSource) -> Path:
    """Return the test case of a source that has most rows."""
    cases = (CASES / source.name).glob("*/expected.csv")
    return max(cases, key=lambda file: len(file.read_bytes())).parent


SOURCES = [source for source in market_sources().values() if values(source)]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(
            source, id=source.name, marks=[] if source.name in BY_DAY else [pytest.mark.nightly]
        )
        for source in SOURCES
    ],
)
def test_corrected_values_are_revisions_and_what_was_known_stays(
    source: MarketSource, platform_batches: MicroBatches
) -> None:
    batches = platform_batches
    messages = case_messages(source, largest_case(source))
    land(batches, messages, source=source)
    batches.run(source)
    before = stored(batches, source)
    known_at = max(message.received_at for message in messages)
    known = ep.load(source.name, as_of=known_at)
    land(
        batches,
        [replace(one, received_at=one.received_at + LATER) for one in messages],
        source=source,
    )
    batches.run(rewritten(source))
    after = stored(batches, source)
    is_old = pl.col("landing_offset") < len(messages)
    assert_frame_equal(after.filter(is_old), before)
    assert 0 < after.height - before.height <= before.height
    assert_frame_equal(ep.load(source.name, as_of=known_at), known)
    facts = [*source.key, *values(source)]
    corrected = known.with_columns(pl.col(values(source)) + 0.0625)
    now = ep.load(source.name)
    assert_frame_equal(now.select(facts), corrected.select(facts), check_row_order=False)
