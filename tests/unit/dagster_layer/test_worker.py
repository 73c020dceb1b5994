"""A warm worker that is told to stop in the middle of a run stops when the run is broken off."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from energy_platform.operations.supervision.plan import PROJECT

IN_A_WORKER = """
import os, signal
from celery.worker import state
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as
from resources import worker

worker._note_signals()
worker._stop_if_told_meanwhile()
print("before", state.should_stop)
if {told}:
    try:
        # As Dagster does around what an asset computes.
        with raise_interrupts_as(DagsterExecutionInterruptedError):
            os.kill(os.getpid(), signal.SIGTERM)
    except DagsterExecutionInterruptedError:
        print("broken off")
worker._stop_if_told_meanwhile()
print("after", state.should_stop)
"""


@pytest.mark.parametrize(
    ("told", "said"),
    [(True, "before None\nbroken off\nafter 0\n"), (False, "before None\nafter None\n")],
)
def test_it_stops_after_a_run_in_which_it_was_told_to(
    tmp_path: Path, *, told: bool, said: str
) -> None:
    dagster = tmp_path / "dagster"
    (dagster / "storage").mkdir(parents=True)
    shutil.copy(PROJECT / "dagster.yaml", dagster)
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "DAGSTER_HOME": str(dagster),
        "ENERGY_PLATFORM_DAGSTER_STORAGE": str(dagster / "storage"),
        "ENERGY_PLATFORM_BROKER_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_A_WORKER.format(told=told)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == said, done.stderr
