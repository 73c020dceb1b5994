"""What every market source must be, whatever its provider sends."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from energy_platform import sources
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import PROVENANCE_COLUMNS
from energy_platform.market.source import MarketSource
from energy_platform.market.units import unit_of
from energy_platform.pipeline.checks import UNPARSED, check_messages

SOURCES = [pytest.param(source, id=name) for name, source in market_sources().items()]
MODULES = sorted(Path(sources.__path__[0]).glob("[!_]*.py"))
LONGEST_MODULE_LINES = 80

GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 4,
    "html": b"<!DOCTYPE html><html><body>Service unavailable</body></html>",
    "json": b'{"unexpected": [1, 2, 3]}',
    "list": b"[]",
    "xml": b'<?xml version="1.0"?><nothing/>',
    "entities": b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
    "half a zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
    "half a grib": b"GRIB\x00\x00\x00\x02" + b"\x00" * 8,
}


@pytest.mark.parametrize("source", SOURCES)
def test_contract(source: MarketSource) -> None:
    assert set(source.key) <= set(source.dtypes)
    assert source.event_time in source.dtypes
    assert source.dtypes[source.event_time] == pl.Datetime("us", "UTC")
    assert set(PROVENANCE_COLUMNS) <= set(source.dtypes)
    assert set(source.tags) <= set(source.key)
    assert source.fields, "nothing to plot"
    assert set(source.fields) <= set(source.dtypes)
    assert source.revision is None or source.revision in source.dtypes
    assert source.expected_lag.total_seconds() > 0
    assert source.description
    assert source.terms


@pytest.mark.parametrize("source", SOURCES)
def test_every_measured_value_carries_its_unit(source: MarketSource) -> None:
    bare = [
        name
        for name, dtype in source.dtypes.items()
        if dtype.is_float() and unit_of(name) is None and name not in source.key
    ]
    assert bare == []


@pytest.mark.parametrize("source", SOURCES)
def test_every_column_is_described(source: MarketSource) -> None:
    assert [column.name for column in source.columns if not column.description] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_source_is_a_short_file(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE_LINES


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("source", SOURCES)
def test_garbage_is_quarantined_with_its_reason(source: MarketSource, garbage: bytes) -> None:
    message = RawMessage(
        body=garbage,
        received_at=datetime(2026, 3, 29, tzinfo=UTC),
        context=source.context,
        landing_offset=5,
    )
    checked = check_messages(source, [message])
    # An empty JSON array is a stream's way of saying nothing; all else must be refused.
    if checked.rows.is_empty() and checked.quarantined.is_empty():
        assert garbage == b"[]"
    else:
        assert checked.rows.is_empty()
        assert checked.quarantined["check"].to_list() == [UNPARSED]
        assert checked.quarantined["reason"][0].strip()
        assert checked.quarantined["landing_offset"].to_list() == [5]
