"""Every example in a docstring, and in the guide to history, does what it says."""

import doctest
import importlib
import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import energy_platform
from tests.support import example_home

PACKAGE = Path(energy_platform.__file__).parent
WITH_EXAMPLES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in file.read_text()
]


def test_there_are_examples() -> None:
    assert "energy_platform.reading.rows" in WITH_EXAMPLES


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example_home")
    example_home.fill(folder)
    return folder


@pytest.fixture
def example_rows(home: Path, filled_home: Path) -> None:
    """Put rows of every source into the home."""
    shutil.copytree(filled_home, home, dirs_exist_ok=True)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
@pytest.mark.usefixtures("example_rows")
def test_the_examples_of_a_module(name: str) -> None:
    module = importlib.import_module(name.removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0


@pytest.mark.usefixtures("example_rows")
def test_the_examples_of_the_guide_to_history() -> None:
    guide = (PACKAGE.parent / "docs" / "history.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    exec("\n".join(examples), {})


@pytest.mark.usefixtures("example_rows")
def test_the_examples_of_the_guide_to_installing() -> None:
    guide = (PACKAGE.parent / "docs" / "reading" / "install.md").read_text()
    [example] = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    exec(example, {})
    for name in re.findall(r"`(?:ep\.errors\.)?(\w+Error)`", guide):
        assert issubclass(getattr(energy_platform.errors, name), Exception)


ROWS_LATER = {"aload", "batches", "connect", "demo", "follow", "series"}
"""Functions whose answer has rows once it is awaited, iterated or asked; examples show that."""


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in energy_platform.__all__
        if inspect.isroutine(getattr(energy_platform, name)) and name not in ROWS_LATER
    ],
)
def test_the_example_of_a_public_function_returns_rows(
    name: str, filled_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(filled_home))  # which no example writes to
    function, heights = getattr(energy_platform, name), list[int]()

    def noted(*args: Any, **asked: Any) -> Any:
        answer = function(*args, **asked)
        heights.append(height(answer))
        return answer

    monkeypatch.setitem(vars(energy_platform), name, noted)
    names = {**vars(inspect.getmodule(function))}
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(function) or ""):
        exec(compile(example.source, name, "single"), names)
    assert max(heights) > 0


def height(answer: Any) -> int:
    """Return how many rows an answer has, or speaks of."""
    if isinstance(answer, pl.DataFrame | pl.LazyFrame):
        return answer.lazy().collect().height
    return answer.rows.height if isinstance(answer, energy_platform.Changes) else answer.rows


ASK_NO_STORE = {"areas", "catalog", "productions", "search"}
"""Functions that read what the library knows by itself, so nothing can be missing."""


@pytest.mark.parametrize(
    "name",
    [name for name in energy_platform.__all__ if inspect.isroutine(getattr(energy_platform, name))],
)
def test_a_public_function_says_what_it_takes_and_gives(name: str) -> None:
    function = getattr(energy_platform, name)
    told = inspect.getdoc(function) or ""
    assert not inspect.signature(function).parameters or "Args:" in told
    assert "Returns:" in told or "Yields:" in told
    assert "Raises:" in told or name in ASK_NO_STORE
    assert ">>> " in told
