"""Whatever is asked, a home is never written to: a reader may have no right to."""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.reading.platform import Platform
from energy_platform.settings import StatePlace
from tests.support.example_home import ONE_BATCH
from tests.support.questions import QUESTIONS, fill_home

ASK_A_FRAME = {"base", "connect", "demo", "off_peak", "peak", "periods"}
"""Functions that are no question to a platform."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = fill_home(tmp_path_factory.mktemp("desk"))
    BatchHistory(StatePlace(home)).add(ONE_BATCH)
    return home


@pytest.fixture
def read_only(filled: Path) -> Iterator[Path]:
    """The home, in which nobody but root could write."""
    folders = [filled, *(file for file in filled.rglob("*") if file.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield filled
    for folder in folders:
        folder.chmod(0o755)


def tree(folder: Path) -> list[tuple[str, int, int]]:
    about = ((file, file.stat()) for file in folder.rglob("*"))
    return sorted((str(file), one.st_size, one.st_mtime_ns) for file, one in about)


def test_every_public_function_is_asked() -> None:
    functions = {name for name in ep.__all__ if inspect.isroutine(getattr(ep, name))}
    assert functions - ASK_A_FRAME == QUESTIONS.keys()
    assert all(hasattr(Platform, name) for name in QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_nothing_is_written(name: str, read_only: Path) -> None:
    before = tree(read_only)
    answer: Any = QUESTIONS[name](ep.connect(read_only))
    if isinstance(answer, pl.DataFrame):
        assert not answer.is_empty()
    assert tree(read_only) == before


def test_the_batches_of_a_running_platform_are_read(tmp_path: Path) -> None:
    home = fill_home(tmp_path / "desk")
    history = BatchHistory(StatePlace(home))
    history.add(ONE_BATCH)
    before = sorted(home.iterdir())
    assert ep.connect(home).batch_history()["source"].to_list() == [ONE_BATCH.source]
    history.add(ONE_BATCH)
    assert ep.connect(home).batch_history().height == 2
    assert sorted(home.iterdir()) == before
    assert history.lines(since=datetime(2026, 1, 1, tzinfo=UTC)).height == 2
