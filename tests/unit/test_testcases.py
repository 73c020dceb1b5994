"""Runs every folder of `tests/testcases`: a payload in, the expected rows and failures out."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.checks import check_messages
from energy_platform.market_rows import PROVENANCE_COLUMNS
from energy_platform.market_source import MarketSource
from energy_platform.raw_message import RawMessage
from energy_platform.registry import market_source, market_sources

TESTCASES = Path(__file__).parent.parent / "testcases"
CASES = sorted(folder for folder in TESTCASES.glob("*/*") if folder.is_dir())


def _messages(case: Path, source: MarketSource) -> list[RawMessage]:
    file = case / "case.toml"
    about = tomllib.loads(file.read_text()) if file.exists() else {}
    received_at = about.get("received_at", datetime(2026, 1, 1, tzinfo=UTC)).astimezone(UTC)
    return [
        RawMessage(
            body=payload.read_bytes(),
            received_at=received_at,
            context={**source.context, **about.get("context", {})},
            landing_offset=offset,
        )
        for offset, payload in enumerate(sorted(case.glob("payload*")))
    ]


def _expected(file: Path, source: MarketSource) -> pl.DataFrame:
    """Read the expected rows: text as in the file, then the table's own types."""
    text = pl.read_csv(file, infer_schema=False)
    wanted = {n: d for n, d in source.dtypes.items() if n not in PROVENANCE_COLUMNS}
    return text.select(
        pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC")
        if dtype.is_temporal()
        else (pl.col(name) == "true")
        if dtype == pl.Boolean
        else pl.col(name).cast(dtype)
        for name, dtype in wanted.items()
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_payload_gives_the_expected_rows(case: Path) -> None:
    source = market_source(case.parent.name)
    messages = _messages(case, source)
    assert messages, f"{case} has no payload"

    checked = check_messages(source, messages)

    rows = checked.rows.drop(PROVENANCE_COLUMNS)
    assert_frame_equal(rows, _expected(case / "expected.csv", source), check_row_order=True)
    quarantined = case / "quarantined.csv"
    failures = checked.quarantined.select("check", "reason")
    if quarantined.exists():
        assert_frame_equal(failures, pl.read_csv(quarantined, infer_schema=False))
    else:
        assert failures.is_empty(), failures["reason"].to_list()


@pytest.mark.parametrize("name", market_sources())
def test_every_source_has_cases(name: str) -> None:
    cases = [case for case in CASES if case.parent.name == name]
    assert cases, f"tests/testcases/{name} is missing"
    assert any((case / "quarantined.csv").exists() for case in cases), "no case of bad input"
