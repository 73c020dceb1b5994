"""Does what `docs/add_a_source.md` says, with the files that stand in it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform import registry, sources
from tests.support.testcases import assert_case_holds

DOCUMENT = Path(__file__).parents[2] / "docs" / "add_a_source.md"
LONGEST_MODULE_LINES = 80


def _files_in_document() -> dict[str, str]:
    """Return the document's files: a line that names one in backticks, then its text in a fence."""
    fence = re.compile(r"^`([\w/.]+)`[^\n]*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return dict(fence.findall(DOCUMENT.read_text()))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the document's files, whose sources the registry finds too."""
    for name, text in _files_in_document().items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    folder = str(tmp_path / "energy_platform" / "sources")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, folder])
    registry.market_sources.cache_clear()
    yield tmp_path
    registry.market_sources.cache_clear()
    sys.modules.pop("energy_platform.sources.elexon_frequency", None)


def test_the_documents_source_is_found_and_its_case_holds(checkout: Path) -> None:
    source = registry.market_source("elexon_frequency")
    [case] = (checkout / "tests" / "testcases" / "elexon_frequency").iterdir()
    assert_case_holds(source, case)


def test_the_documents_source_is_one_short_file(checkout: Path) -> None:
    [module] = (checkout / "energy_platform" / "sources").glob("*.py")
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE_LINES


def test_the_documents_source_reads_a_recorded_reply(checkout: Path) -> None:
    recorded = DOCUMENT.parents[1].parent / "shared" / "payloads" / "elexon" / "t_freq_2rows.json"
    if not recorded.exists():
        pytest.skip("the folder of recorded payloads is not there")
    assert checkout.exists()
    case = checkout / "recorded"
    case.mkdir()
    (case / "payload.json").write_bytes(recorded.read_bytes())
    (case / "expected.csv").write_text(
        "observed_at,frequency_hz\n2026-05-08T00:00:00Z,49.97\n2026-05-07T23:59:45Z,50.017\n"
    )
    assert_case_holds(registry.market_source("elexon_frequency"), case)
