"""Runs every folder of `tests/testcases`: a payload in, the expected rows and failures out."""

from pathlib import Path

import pytest

from energy_platform.market.registry import market_source, market_sources
from tests.support.testcases import assert_case_holds

TESTCASES = Path(__file__).parent.parent / "testcases"
CASES = sorted(folder for folder in TESTCASES.glob("*/*") if folder.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_payload_gives_the_expected_rows(case: Path) -> None:
    assert_case_holds(market_source(case.parent.name), case)


@pytest.mark.parametrize("name", market_sources())
def test_every_source_has_cases(name: str) -> None:
    cases = [case for case in CASES if case.parent.name == name]
    assert cases, f"tests/testcases/{name} is missing"
    assert any((case / "quarantined.csv").exists() for case in cases), "no case of bad input"
