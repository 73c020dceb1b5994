"""One bad value costs its own record and no other, in every JSON, XML and text reply.

The payloads are those of the test cases, so a new source is covered as soon as it has some. Each
run takes a sample of the places and values, the same one each time.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

import polars as pl
import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from tests.support.bad_values import BadValue, bad_values
from tests.support.effort import examples
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
ASKED: Final = examples(40)
"""How many bad values a source's payloads get."""
BINARY: Final = {"met_office_forecast", "noaa_gfs_wind_forecast", "regelleistung_tender"}
"""Sources of GRIB, NetCDF and workbooks, which have no such values."""
MANY: Final = 20
"""A reply needs this many times for its period's length to be known although one time is bad."""


def good_messages(source: MarketSource) -> Iterator[RawMessage]:
    """Yield the messages of a source's test cases that hold several good rows."""
    for case in sorted((TESTCASES / source.name).iterdir()):
        for message in case_messages(source, case):
            if check_messages(source, [message]).rows.height > 1:
                yield message


def said(source: MarketSource, message: RawMessage, body: bytes) -> pl.DataFrame:
    rows = check_messages(source, [replace(message, body=body)]).rows
    return rows.drop("published_at", strict=False)


def lost_beside_the_record(
    source: MarketSource, message: RawMessage, bad: BadValue
) -> pl.DataFrame:
    """Return the good rows that a bad value cost though they are not its record's."""
    before = said(source, message, message.body)
    is_array = bad.without is None
    if is_array and before[source.event_time].n_unique() < MANY:
        return before.clear()
    if bad.where.startswith("value") and source.name == "dwd_mosmix_forecast":
        return before.clear()  # one text holds all values of a station's element
    if bad.where.startswith("position") and b">A03<" in message.body:
        return before.clear()  # nobody knows then how long the value before holds
    lost = before.join(
        said(source, message, bad.body), on=before.columns, how="anti", nulls_equal=True
    )
    if bad.without is None:
        # A value in an array of plain values: all that may go is what holds at one time.
        return lost if lost[source.event_time].n_unique() > 1 else lost.clear()
    others = said(source, message, bad.without)
    return lost.join(others, on=before.columns, how="semi", nulls_equal=True)


@pytest.mark.parametrize("name", [name for name in market_sources() if name not in BINARY])
def test_one_bad_value_costs_its_own_record_and_no_other(name: str) -> None:
    source = market_sources()[name]
    random = Random(name)
    tried = 0
    messages = list(good_messages(source))
    assert messages, f"no test case of {name} has several good rows in one payload"
    for message in messages:
        found = list(bad_values(message.body)) if len(message.body) < 60_000 else []
        wanted = -(-ASKED // len(messages))
        for making in random.sample(found, min(wanted, len(found))):
            tried += 1
            bad = making()
            lost = lost_beside_the_record(source, message, bad)
            assert lost.is_empty(), f"{bad.value} at {bad.where} cost {lost.height} rows: {lost}"
    assert tried, f"{name} has no payload with a record"
