"""One small demo for all the tests of a run, made by the first that needs it."""

from pathlib import Path
from typing import Final

import pytest

import energy_platform as ep
from energy_platform.reading.platform import Platform

DAYS: Final = 2


def small_demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `ep.demo` finds it; processes of one run share it."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if own.name.startswith("popen-") else own) / "demo"


def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return the demo."""
    return ep.demo(days=DAYS, folder=small_demo_folder(tmp_path_factory))
