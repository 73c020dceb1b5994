"""Recorded documents of ENTSO-E, where they are at hand: rows, or a clear word on what they are."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import PART, CheckedRows, check_messages
from energy_platform.pipeline.parsing import UNPARSED
from tests.recorded.manifest import FOLDER, needs_recorded

PAYLOADS = FOLDER / "entsoe"
SOURCES = [source for name, source in market_sources().items() if name.startswith("entsoe_")]
ROWS = {
    ("entsoe_day_ahead_price", "hass_BE_15M_avg.xml"): 22,
    ("entsoe_day_ahead_price", "hass_BE_15M_exact4.xml"): 4,
    ("entsoe_day_ahead_price", "hass_BE_60M.xml"): 24,
    ("entsoe_day_ahead_price", "hass_BE_60M_15M_mix.xml"): 216,
    ("entsoe_day_ahead_price", "hass_DE_60M_15M_overlap.xml"): 240,
    ("entsoe_load", "hexagon_gl.load.singlepoint.xml"): 1,
}

pytestmark = needs_recorded


def checked(source: MarketSource, path: Path) -> CheckedRows:
    message = RawMessage(
        body=path.read_bytes(), received_at=datetime.now(UTC), context={}, landing_offset=0
    )
    return check_messages(source, [message])


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_recorded_document_gives_rows_or_says_what_it_is(source: MarketSource) -> None:
    documents = sorted(PAYLOADS.glob("*.xml"))
    assert documents
    for path in documents:
        result = checked(source, path)
        assert result.rows.height == ROWS.get((source.name, path.name), 0), path.name
        if result.rows.is_empty():
            (failure,) = result.quarantined.iter_rows(named=True)
            assert failure["check"] in {UNPARSED, PART}
            assert failure["reason"].startswith(("document with", "a series with", "an acknow"))


def test_auctions_that_overlap_stay_apart() -> None:
    source = market_sources()["entsoe_day_ahead_price"]
    rows = checked(source, PAYLOADS / "hass_DE_60M_15M_overlap.xml").rows
    counts = rows.group_by("auction_sequence", "resolution").len().sort("auction_sequence")
    assert counts.rows() == [(1, "PT60M", 48), (2, "PT15M", 192)]
    assert not rows.select(pl.struct(source.key).is_duplicated().any()).item()


def test_a_point_behind_its_periods_end_is_kept_apart() -> None:
    source = market_sources()["entsoe_day_ahead_price"]
    result = checked(source, PAYLOADS / "hass_BE_15M_avg.xml")
    (failure,) = result.quarantined.iter_rows(named=True)
    assert failure["reason"].startswith("delivery_start = null")
    assert "57.86" in failure["row"]
