"""The daemon looks at its sensors more often than every five seconds."""

import importlib
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon import sensor

import definitions
from energy_platform.operations.supervision.plan import shared_modules


class _Waits(threading.Event):
    """Notes how long the daemon would wait, and doesn't wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return False


def wait_between_looks(folder: Path) -> float:
    """Return how long the daemon waits after its first look."""
    waits = _Waits()
    with (
        DagsterInstance.local_temp(str(folder)) as instance,
        create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace,
    ):
        loop: Any = sensor.execute_sensor_iteration_loop(workspace, logging.getLogger(), waits)
        while not waits.seconds:
            next(loop)
    return waits.seconds[0]


def test_what_the_daemon_begins_with_quickens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor, "MIN_INTERVAL_LOOP_TIME", 5)
    assert 4 < wait_between_looks(tmp_path) <= 5
    # The daemon is a fork of a process that has imported these.
    assert "definitions" in shared_modules()
    importlib.reload(definitions)
    assert 3 < wait_between_looks(tmp_path) <= 4
