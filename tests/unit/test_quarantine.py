"""What is in quarantine is told in few lines, and none of it is lost."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.market.instants import INSTANT
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.quarantine import new_failures, quarantine_reasons, quarantine_samples
from energy_platform.pipeline.tables import QUARANTINE_DTYPES
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import batches_in, land, quarantined, run_all


@pytest.fixture
def batches(tmp_path: Path) -> MicroBatches:
    """Stores with a quarantine: three high prices, one unknown zone, two messages of garbage."""
    batches = batches_in(tmp_path)
    bodies: list[list[tuple[str, int, float | None]] | bytes] = [
        [("CZ", quarter, 9_000.0 + quarter) for quarter in range(3)],
        [("XX", 0, 1.0), ("CZ", 0, 1.0)],
        b"[{]",
        b'{"a": 1} \x1b[31m' + b"x" * 1_000,
    ]
    land(batches, [example_message(body, minutes=n) for n, body in enumerate(bodies)])
    run_all(batches)
    return batches


def test_like_reasons_are_one(batches: MicroBatches) -> None:
    reasons = quarantine_reasons(batches.warehouse, [EXAMPLE])
    assert reasons["lines"].to_list() == [3, 1, 1, 1]
    first = reasons.row(0, named=True)
    assert first["source"] == EXAMPLE.name
    assert first["reason"] == "price_eur_per_mwh = … fails less_than_or_equal_to(5000)"
    assert (first["first_received_at"], first["last_received_at"]) == (NOON, NOON)
    parse = reasons.filter(check="parse")["reason"].to_list()
    assert any("line … column … (char …)" in reason for reason in parse)


def test_a_source_without_a_quarantine_has_no_reasons(tmp_path: Path) -> None:
    empty = batches_in(tmp_path / "empty")
    assert quarantine_reasons(empty.warehouse, [EXAMPLE]).is_empty()
    assert quarantine_samples(empty.warehouse, empty.landing, EXAMPLE, limit=5) == []


def test_there_is_a_sample_of_each_reason(batches: MicroBatches) -> None:
    samples = quarantine_samples(batches.warehouse, batches.landing, EXAMPLE, limit=10)
    assert [(sample.landing_offset, sample.times) for sample in samples] == [
        (0, 3), (3, 1), (2, 1), (1, 1)
    ]  # fmt: skip
    high, garbage, *_ = samples
    assert high.row is not None
    assert '"price_eur_per_mwh":9002.0' in high.row
    assert high.beginning is None
    assert garbage.row is None
    assert garbage.beginning is not None
    assert garbage.beginning.startswith('{"a": 1}')
    assert len(garbage.beginning) == 400
    assert len(quarantine_samples(batches.warehouse, batches.landing, EXAMPLE, limit=2)) == 2


def test_a_row_is_what_the_market_said(batches: MicroBatches) -> None:
    [row] = quarantined(batches).filter(pl.col("check").str.contains("isin"))["row"]
    assert "received_at" not in row
    assert "landing_offset" not in row


def line(offset: int, check: str, row: str | None) -> dict[str, object]:
    return {
        "landing_offset": offset,
        "received_at": NOON,
        "check": check,
        "reason": f"fails {check}",
        "row": row,
    }


rows = st.sampled_from([None, '{"a":1}', '{"a":2}'])


@given(
    said=st.lists(st.tuples(st.sampled_from(["high", "low"]), rows), max_size=8),
    cut=st.integers(0, 8),
)
def test_a_row_is_told_once_and_a_message_each_time(
    said: list[tuple[str, str | None]], cut: int
) -> None:
    lines = [line(offset, *one) for offset, one in enumerate(said)]
    frame = pl.DataFrame(lines, schema=QUARANTINE_DTYPES)
    told = new_failures(frame[:cut], frame[:0])
    told = pl.concat([told, new_failures(frame[cut:], told)])
    expected = [
        offset for offset, one in enumerate(said) if one[1] is None or said.index(one) == offset
    ]
    assert told["landing_offset"].to_list() == expected


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ('{"published_at":"2026-01-01T00:00:00+00:00","a":1}', '{"published_at":null,"a":1}'),
        ('{"a":1,"published_at":null}', '{"a":1,"published_at":"2026-01-01T00:00:00+00:00"}'),
    ],
)
def test_when_it_was_published_is_no_part_of_what_a_row_says(first: str, again: str) -> None:
    frame = pl.DataFrame([line(0, "high", first), line(1, "high", again)], schema=QUARANTINE_DTYPES)
    assert new_failures(frame[1:], frame[:1]).is_empty()
    assert frame.schema["received_at"] == INSTANT
