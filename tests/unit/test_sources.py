"""What every market source must be, whatever its provider sends.

What its definition must be is said by `energy_platform.market.source_rules`, when it is imported.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_platform import sources
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.parsing import UNPARSED
from tests.support.testcases import case_messages

SOURCES = [pytest.param(source, id=name) for name, source in market_sources().items()]
MODULES = sorted(Path(sources.__path__[0]).glob("[!_]*.py"))
TESTCASES = Path(__file__).parents[1] / "testcases"
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


@pytest.mark.parametrize("name", market_sources())
def test_every_column_has_a_value_in_some_reply(name: str) -> None:
    """A field that a parser misspells is null for ever, and no check says so."""
    source, cases = market_sources()[name], sorted((TESTCASES / name).glob("*/"))
    empty = set(source.dtypes)
    while empty and cases:
        rows = check_messages(source, case_messages(source, cases.pop())).rows
        empty -= {column for column in empty if rows[column].count() > 0}
    assert not empty, "no test case has a value there: does the parser name the reply's fields?"


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
