"""Sources are found where they lie, and each name means one of them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_platform import sources
from energy_platform.cli import app
from energy_platform.errors import EnergyPlatformError, UnknownSourceError
from energy_platform.market.registry import broken_sources, market_source, market_sources
from energy_platform.reading.declared import declared_datasets
from tests.support.environment import EXAMPLE_MODULE, add_source_module, forget_cached
from tests.support.sources import EXAMPLE

MODULES = ("example_price", "another_example")


@pytest.fixture(autouse=True)
def _forgotten_afterwards() -> Iterator[None]:
    yield
    forget_cached()
    for name in (*MODULES, *BROKEN):
        sys.modules.pop(f"energy_platform.sources.{name}", None)


def test_a_new_file_is_a_new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "example_price" not in market_sources()
    add_source_module(tmp_path, "example_price", EXAMPLE_MODULE, monkeypatch)
    assert market_source("example_price") is EXAMPLE
    assert list(market_sources()) == sorted(market_sources())


def test_a_module_may_hold_several_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from dataclasses import replace\n" + EXAMPLE_MODULE
    text += "SECOND = replace(EXAMPLE, name='example_price_2')\n"
    add_source_module(tmp_path, "example_price", text, monkeypatch)
    assert {"example_price", "example_price_2"} <= set(market_sources())


def test_a_source_that_two_modules_name_is_one_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MODULES:
        add_source_module(tmp_path, name, EXAMPLE_MODULE, monkeypatch)
    assert market_source("example_price") is EXAMPLE


def test_a_file_that_takes_the_name_of_another_source_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_source_module(tmp_path, "example_price", EXAMPLE_MODULE, monkeypatch)
    text = "from dataclasses import replace\nfrom tests.support import sources\n"
    text += "COPY = replace(sources.EXAMPLE)\n"
    add_source_module(tmp_path, "another_example", text, monkeypatch)
    assert market_source("example_price") is EXAMPLE
    assert reasons() == {
        "another_example": "name: 'example_price' is not its file's; name it 'another_example', or"
        " the file example_price.py"
    }


def test_no_source_of_the_project_is_broken() -> None:
    assert broken_sources() == ()


BROKEN = {
    "does_not_parse": ("1 +\n", 1, "SyntaxError: invalid syntax"),
    "lacks_a_module": (
        '"""Hm."""\nimport nonsense\n',
        2,
        "ModuleNotFoundError: No module named 'nonsense'",
    ),
    "raises": ("def f():\n    raise OSError(2)\n\n\nf()\n", 2, "OSError: 2"),
    "is_empty": (
        "X = 1\n",
        None,
        (
            "defines no market source; bind a MarketSource to a name of the module, or begin the"
            " file's name with _ if it only helps others"
        ),
    ),
    "is_wrong": (
        (
            "from dataclasses import replace\nfrom tests.support.sources import EXAMPLE\n"
            "WRONG = replace(\n    EXAMPLE, name='is_wrong', key=('zone',)\n)\n"
        ),
        3,
        (
            "key: 'zone' is no column of ExampleRows; choose from delivery_start, delivery_end,"
            " bidding_zone, price_eur_per_mwh"
        ),
    ),
    "is_double": (
        (
            "from dataclasses import replace\nfrom tests.support.sources import EXAMPLE\n"
            "ONE = replace(EXAMPLE, name='is_double')\nTWO = replace(EXAMPLE, name='is_double')\n"
        ),
        None,
        "name: two sources are named 'is_double'; choose another name for one",
    ),
}


@pytest.fixture
def broken_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sources with a file for each way to be broken, and a good one."""
    add_source_module(tmp_path, "example_price", EXAMPLE_MODULE, monkeypatch)
    for name, (text, _, _) in BROKEN.items():
        add_source_module(tmp_path, name, text, monkeypatch)
    return tmp_path


def reasons() -> dict[str, str]:
    return {one.name: one.reason for one in broken_sources()}


def test_broken_files_are_named_with_place_and_reason_and_stop_no_other(
    broken_files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert market_source("example_price") is EXAMPLE
    assert "smard_price" in market_sources()
    assert reasons() == {name: reason for name, (_, _, reason) in BROKEN.items()}
    for one in broken_sources():
        line = BROKEN[one.name][1]
        file = broken_files / f"{one.name}.py"
        assert one.place == (f"{file}:{line}" if line else str(file))
    market_sources()
    said = [record.getMessage() for record in caplog.records]
    assert sorted(said) == sorted(f"a market source is left out: {one}" for one in broken_sources())


@pytest.mark.usefixtures("broken_files")
def test_a_broken_source_that_is_asked_for_says_what_is_wrong() -> None:
    with pytest.raises(UnknownSourceError, match=r"^source raises is broken: .*:2: OSError: 2$"):
        market_source("raises")


@pytest.mark.usefixtures("broken_files", "home")
def test_commands_work_beside_broken_files_and_name_them() -> None:
    for command in ("catalog", "status"):
        said = CliRunner().invoke(app, [command])
        assert said.exit_code == 0
        assert "smard_price" in said.output
        listed = said.output.partition("Broken: left out until mended")[2]
        assert [name for name in BROKEN if name not in listed] == []
    said = CliRunner().invoke(app, ["status", "--json"])
    assert {one["name"] for one in json.loads(said.output)["broken"]} == set(BROKEN)


@pytest.mark.usefixtures("broken_files")
def test_generated_files_are_not_written_for_half_of_the_sources(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["generate", "--check", str(tmp_path)])
    assert isinstance(refused.exception, EnergyPlatformError)
    assert "first mend" in str(refused.exception)
    assert "does_not_parse.py:1" in str(refused.exception)


def test_marts_of_a_broken_source_are_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = declared_datasets()
    monkeypatch.setattr(sources, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "energy_platform.sources.smard_price")
    add_source_module(tmp_path, "smard_price", "1 +", monkeypatch)
    left = declared_datasets()
    assert "smard_price" not in left
    assert left["day_ahead_price"].upstream == whole["day_ahead_price"].upstream


def test_the_registry_can_not_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        market_sources()["new"] = EXAMPLE  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ote_day_ahead_prices", "did you mean ote_day_ahead_price?"),
        ("zzz", "see `energy-platform catalog`"),
        ("", "see `energy-platform catalog`"),
    ],
)
def test_an_unknown_name_is_told_what_is_near(name: str, hint: str) -> None:
    with pytest.raises(UnknownSourceError) as raised:
        market_source(name)
    assert str(raised.value) == f"unknown source {name!r}; {hint}"
