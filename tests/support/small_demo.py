"""One small demo for all the tests of a run, made by the first that needs it."""

import fcntl
from pathlib import Path
from typing import Final

import pytest

import energy_platform as ep
from energy_platform.reading import demo as demos
from energy_platform.reading.platform import Platform

DAYS: Final = 2
"""The fewest that have both days on which the clocks change."""


def small_demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which `ep.demo` finds it; processes of one run share it."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if own.name.startswith("popen-") else own) / "demo"


def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return the demo. It is made beside what a killed making has left."""
    folder = small_demo_folder(tmp_path_factory)
    folder.mkdir(exist_ok=True)
    home = folder / f"{DAYS}_days_to_{demos.END}_{demos._made_by()}"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            torn = home.with_name(f"{home.name}.making") / "landing" / "entsoe_load" / "torn"
            torn.parent.mkdir(parents=True)
            torn.write_text("half a segment")
        return ep.demo(days=DAYS, folder=folder)
