"""Follows `docs/add_a_source.md` with the guide's own files, in a copy of the checkout.

The tests take the names of the added sources from the guide too.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path

import pytest

from energy_platform import sources
from energy_platform.market import registry
from energy_platform.market.source import MarketSource
from simulator.recorded import Recorded
from simulator.server import running
from tests.support.feeds import a_world
from tests.support.running_feeds import run_until
from tests.support.simulated_feed import checked, compared, new_session

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "add_a_source.md").read_text()
BIN = Path(sys.executable).parent
LONGEST_MODULE_LINES = 80
WHOLE_SECONDS = 2 * 3600
NAMED_TESTS = (
    "tests/unit/test_sources.py",
    "tests/unit/test_testcases.py",
    "tests/unit/test_mutated_payloads.py",
    "tests/unit/dagster_layer/test_graph.py",
)
"""What `make quick` runs for each source there is."""


def _files_in_guide() -> dict[str, str]:
    """Return the guide's files: a line that names one in backticks, then its text in a fence."""
    fence = re.compile(r"^`([\w/.]+)`[^\n]*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return dict(fence.findall(GUIDE))


FILES = _files_in_guide()
MODULES = [name for name in FILES if name.startswith("energy_platform/sources/")]
NAMES = [Path(name).stem for name in MODULES]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what git tracks here and the guide's files, after `generate`."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            _write(folder / name, (ROOT / name).read_bytes())
    for name, text in FILES.items():
        _write(folder / name, text.encode())
    run(folder, "energy-platform", "generate")
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")
    return folder


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def run(checkout: Path, tool: str, *arguments: str, timeout: float = 280) -> str:
    """Run a tool of this environment on the copy; return what it says."""
    outside = ("PYTEST_", "GIT_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(outside)}
    done = subprocess.run(
        [shutil.which(tool, path=BIN) or tool, *arguments],
        cwd=checkout,
        env={**environment, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def make(checkout: Path, target: str, timeout: float) -> None:
    """Run a target of the copy's Makefile in this environment, without setting up another."""
    _write(checkout / ".ready", b"")
    run(checkout, "make", target, f"BIN={BIN}", "READY=.ready", "EMULATOR=", timeout=timeout)


def test_the_guide_has_an_example_of_each_way_in_that_it_names() -> None:
    feeds = {name for text in FILES.values() for name in re.findall(r"feed=(\w+)\(", text)}
    assert feeds == {"RestFeed", "FtpFeed", "SoapFeed"}


@pytest.mark.parametrize("module", MODULES)
def test_an_example_is_one_short_file(module: str) -> None:
    assert len(FILES[module].splitlines()) <= LONGEST_MODULE_LINES


def test_every_field_of_a_source_is_in_the_table_with_its_default() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? ?\| \S", GUIDE, re.MULTILINE))
    assert table == {one.name: _default(one) for one in fields(MarketSource)}


def _default(field: object) -> str:
    default, factory = getattr(field, "default", None), getattr(field, "default_factory", MISSING)
    if factory is not MISSING:
        return repr(factory())
    return "" if default is MISSING else repr(default).replace("'", '"')


def test_the_guide_names_the_commands_that_it_takes() -> None:
    for command in ("energy-platform generate", "make check", "make quick"):
        assert f"$ {command}\n" in GUIDE


def test_an_example_adds_its_own_files_and_generated_ones(checkout: Path) -> None:
    """What is written beside the guide's files is what `generate` says is the catalogue's."""
    assert run(checkout, "energy-platform", "generate", "--check").endswith(": 0 changed\n")
    run(checkout, "ruff", "format", "--check", ".")
    run(checkout, "ruff", "check", ".")


def test_every_test_of_every_source_holds_for_the_examples(checkout: Path) -> None:
    chosen = " or ".join(NAMES)
    said = run(checkout, "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *NAMED_TESTS)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 10 * len(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_an_example_flows_from_its_case(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The simulator has no model of it, serves its test cases, and journals what they hold."""
    monkeypatch.setattr(
        sources, "__path__", [*sources.__path__, f"{checkout}/energy_platform/sources"]
    )
    registry.found_sources.cache_clear()
    source = registry.market_source(name)
    registry.found_sources.cache_clear()
    world = a_world(tmp_path / "world", replay=checkout / "tests" / "testcases")
    session = new_session(world, source)
    async with running(world, [partial(Recorded, sources=[source])]):
        await run_until(source.feed, session, lambda: checked(source, session).rows.height > 0)
        found = compared(source, world, session)
    assert found.stored == found.journalled > 0
    assert (found.invented.height, found.lost.height) == (0, 0)


@pytest.mark.nightly
@pytest.mark.timeout(WHOLE_SECONDS)
def test_make_check_and_make_quick_pass(checkout: Path) -> None:
    make(checkout, "check", WHOLE_SECONDS)
    make(checkout, "quick", WHOLE_SECONDS)
