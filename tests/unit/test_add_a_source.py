"""Does what `docs/add_a_source.md` says, with the files that stand in it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform import sources
from energy_platform.market import registry
from simulator import recorded
from simulator.server import running
from tests.support.feeds import a_world
from tests.support.running_feeds import run_until
from tests.support.simulated_feed import checked, new_session
from tests.support.testcases import assert_case_holds

DOCUMENT = Path(__file__).parents[2] / "docs" / "add_a_source.md"
NAME = "energi_data_service_generation"
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
    registry.found_sources.cache_clear()
    yield tmp_path
    registry.found_sources.cache_clear()
    sys.modules.pop(f"energy_platform.sources.{NAME}", None)


def test_the_documents_source_is_found_and_its_case_holds(checkout: Path) -> None:
    source = registry.market_source(NAME)
    [case] = (checkout / "tests" / "testcases" / NAME).iterdir()
    assert_case_holds(source, case)


def test_the_documents_source_is_one_short_file(checkout: Path) -> None:
    [module] = (checkout / "energy_platform" / "sources").glob("*.py")
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE_LINES


async def test_the_documents_source_flows_from_its_case(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "_TESTCASES", checkout / "tests" / "testcases")
    source, world = registry.market_source(NAME), a_world(tmp_path / "world")
    session = new_session(world, source)
    async with running(world, [recorded.Recorded]):
        await run_until(source.feed, session, lambda: bool(session.landed))
    rows = checked(source, session).rows
    assert rows["onshore_wind_mw"].to_list() == [1804.5]
