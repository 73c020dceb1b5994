"""Compares a source with a test case folder (`tests/testcases/README.md` describes its form)."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.checks import check_messages


def assert_case_holds(source: MarketSource, case: Path) -> None:
    """Parse and check a case's payloads; compare rows and failures with the expected ones."""
    messages = case_messages(source, case)
    assert messages, f"{case} has no payload"
    checked = check_messages(source, messages)
    assert_frame_equal(checked.rows.drop(PROVENANCE_COLUMNS), expected_rows(case, source))
    quarantined = case / "quarantined.csv"
    failures = checked.quarantined.select("check", "reason")
    if quarantined.exists():
        assert_frame_equal(failures, pl.read_csv(quarantined, infer_schema=False))
    else:
        assert failures.is_empty(), failures["reason"].to_list()


def case_messages(source: MarketSource, case: Path) -> list[RawMessage]:
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


def expected_rows(case: Path, source: MarketSource) -> pl.DataFrame:
    """Read the expected rows: text as in the file, converted to the table's types."""
    text = pl.read_csv(case / "expected.csv", infer_schema=False)
    return text.select(
        _typed(name, dtype)
        for name, dtype in source.dtypes.items()
        if name not in PROVENANCE_COLUMNS
    )


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_temporal():
        return pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC")
    if dtype == pl.Boolean:
        return pl.col(name) == "true"
    return pl.col(name).cast(dtype)


def payloads_of_good_cases(source_name: str) -> list[Path]:
    """Return the payloads of a source's cases in which nothing is quarantined."""
    cases = Path(__file__).parents[1] / "testcases" / source_name
    payloads = sorted(cases.glob("*/payload*"))
    return [file for file in payloads if not (file.parent / "quarantined.csv").exists()]
