"""A small filled home that each test damages a copy of."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from tests.support.environment import (
    EXAMPLE_MODULE,
    UNUSUAL_HOME,
    add_source_module,
    forget_cached,
    home_at,
)
from tests.unit.damage.filled_home import OTHER_MODULE, fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with landed and stored messages of two sources, which no test changes."""
    folder = tmp_path_factory.mktemp("filled") / UNUSUAL_HOME
    with pytest.MonkeyPatch.context() as patch, home_at(folder, patch):
        fill(micro_batches())
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the filled home, which this process's settings name."""
    shutil.copytree(filled, tmp_path / UNUSUAL_HOME)
    with home_at(tmp_path / UNUSUAL_HOME, monkeypatch) as folder:
        for name, text in (("example_price", EXAMPLE_MODULE), ("other_price", OTHER_MODULE)):
            add_source_module(tmp_path / "sources", name, text, monkeypatch)
        yield folder
    for name in ("example_price", "other_price"):
        sys.modules.pop(f"energy_platform.sources.{name}", None)


@pytest.fixture
def batches(home: Path) -> MicroBatches:
    """The stores of the copy, as every process opens them."""
    del home
    return micro_batches()


@pytest.fixture
def control(filled: Path) -> MicroBatches:
    """The stores of the filled home itself, for comparison; a test only reads them."""
    with pytest.MonkeyPatch.context() as patch, home_at(filled, patch):
        stores = micro_batches()
    forget_cached()
    return stores
