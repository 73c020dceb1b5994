"""`up` refuses in one line, ends in seconds whenever it is told to, and leaves nothing behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from energy_platform.operations.supervision.supervisor import Supervisor
from tests.support.environment import UNUSUAL_HOME
from tests.support.running_platform import family, prompt_seconds, script

PATIENCE_SECONDS = 240.0


@contextmanager
def up(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `energy-platform up`; end it, and what it has started, if a test has not."""
    process = subprocess.Popen(
        [script(), "up"], env={**os.environ, "ENERGY_PLATFORM_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        for one in [psutil.Process(process.pid), *family(home)] if process.poll() is None else []:
            one.kill()
        process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def names(home: Path) -> set[str]:
    return {one.name() for one in family(home) if one.is_running()}


@pytest.mark.parametrize(
    ("place", "reason"),
    [("a-file", "Not a directory"), ("a-file/below", "Not a directory"), ("/proc/none", "")],
)
def test_a_home_that_can_not_be_used_is_one_line(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "a-file").touch()
    with up(tmp_path / place) as process:
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert said.startswith(f"error: {tmp_path / place} can't be the platform's home: {reason}")
    assert said.count("\n") == 1


def test_ctrl_c_in_the_first_second_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / UNUSUAL_HOME
    with up(home) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Starting on simulated markets")
        _interrupt(process, home)


@pytest.mark.nightly
def test_down_stops_what_up_has_started_and_up_ends_well(tmp_path: Path) -> None:
    home = tmp_path / UNUSUAL_HOME
    with up(home) as process:
        wait_until(lambda: "metrics" in names(home))
        environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
        subprocess.run([script(), "down"], env=environment, check=True, timeout=PATIENCE_SECONDS)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert family(home) == []


def _interrupt(process: subprocess.Popen[str], home: Path) -> None:
    """Send Ctrl-C; see that it ends soon, well and whole."""
    allowed, asked = prompt_seconds(), time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert time.monotonic() - asked < allowed
    assert family(home) == []
    _, said = process.communicate()
    assert said == ""


@pytest.mark.nightly
@pytest.mark.parametrize("process_name", ["worker-1", "daemon", "webserver", "collector"])
def test_ctrl_c_leaves_nothing_whatever_has_just_begun(tmp_path: Path, process_name: str) -> None:
    home = tmp_path / UNUSUAL_HOME
    with up(home) as process:
        wait_until(lambda: process_name in names(home))
        _interrupt(process, home)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_what_is_killed_while_it_starts_comes_back_and_all_ends_with_up(tmp_path: Path) -> None:
    home = tmp_path / UNUSUAL_HOME
    supervisor, killed = Supervisor(home), set[str]()
    with up(home) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def kill_who_has_begun() -> bool:
            statuses = supervisor.statuses()
            for one in statuses:
                if one.pid and one.name not in killed:
                    os.kill(one.pid, signal.SIGKILL)
                    killed.add(one.name)
            return bool(statuses) and len(killed) == len(statuses)

        wait_until(kill_who_has_begun)
        wait_until(lambda: all(one.restarts for one in supervisor.statuses()))
        wait_until(lambda: {one.state for one in supervisor.statuses()} == {"RUNNING"})
        wait_until(lambda: "flows" in process.stdout.readline())  # type: ignore[union-attr]
        process.kill()
        process.wait()
        wait_until(lambda: family(home) == [])
