"""What a screen is told of the platform's processes."""

import pytest

from energy_platform.dashboard.process_watch import ProcessWatch
from energy_platform.operations.supervision.supervisor import ProcessStatus


def status(name: str, state: str = "RUNNING", restarts: int = 0) -> ProcessStatus:
    return ProcessStatus(name, 1, state, restarts)


@pytest.mark.parametrize(
    "name",
    ["simulator", "broker", "live-bus", "webserver", "collector", "hot-lane", "code-server",
     "daemon", "worker-1", "worker-2"],
)  # fmt: skip
def test_a_process_that_is_down_is_told(name: str) -> None:
    said = ProcessWatch().look([status(name, "BACKOFF"), status("metrics", "FATAL")], now=0.0)
    assert said == {f"the {name} process is backoff"}


def test_a_restart_between_two_looks_is_told_for_some_seconds() -> None:
    watch = ProcessWatch()
    assert watch.look([status("daemon", restarts=2)], now=0.0) == frozenset()
    assert watch.look([status("daemon", restarts=3)], now=2.0) == {
        "the daemon process was restarted"
    }
    assert watch.look([status("daemon", restarts=3)], now=11.0) == {
        "the daemon process was restarted"
    }
    assert watch.look([status("daemon", restarts=3)], now=12.5) == frozenset()


def test_a_restart_of_the_dashboard_itself_is_no_trouble() -> None:
    watch = ProcessWatch()
    watch.look([status("dashboard")], now=0.0)
    assert watch.look([status("dashboard", restarts=1)], now=2.0) == frozenset()
