"""Processes under a real supervisord: restarted when they die, and all gone when told to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision import supervisor as module
from energy_platform.operations.supervision.plan import Process
from energy_platform.operations.supervision.supervisor import ProcessStatus, Supervisor

PATIENCE_SECONDS = 90.0
TRUE = "/bin/true"

STUBBORN = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.2; done"
"""A shell that hears no signal but SIGKILL."""


@pytest.fixture
def supervisor(home: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """A supervisor of small processes, whose preparation is over at once."""
    monkeypatch.setattr(module, "preparation", lambda: (TRUE,))
    monkeypatch.setattr(module, "_STOP_SECONDS", 5.0)
    return Supervisor(home)


@pytest.fixture
def start(
    supervisor: Supervisor, home: Path, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes; whatever a test left of them is ended afterwards."""
    instance = tmp_path / "dagster.yaml"
    instance.touch()
    started: list[subprocess.Popen[bytes]] = []

    def begin(*planned: Process) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
        started.append(supervisor.start(planned, environment, instance))
        wait_until(lambda: states(supervisor) == ["RUNNING"] * len(planned))
        return started[-1]

    yield begin
    for process in started:
        supervisor.stop(process.pid)
        process.wait()


def shell(name: str, script: str) -> Process:
    return Process(name, ("/bin/sh", "-c", script))


def sleeper(name: str) -> Process:
    return Process(name, ("/bin/sleep", "3600"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(supervisor: Supervisor) -> list[str]:
    return [one.state for one in supervisor.statuses()]


def by_name(supervisor: Supervisor) -> dict[str, ProcessStatus]:
    return {one.name: one for one in supervisor.statuses()}


def left(home: Path) -> Sequence[psutil.Process]:
    """Return every process that runs on this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("ENERGY_PLATFORM_HOME") == str(home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_nothing_runs_at_first(supervisor: Supervisor) -> None:
    assert supervisor.statuses() == []
    assert supervisor.pid() is None


def test_processes_are_started_and_seen(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    supervisord = start(sleeper("one"), shell("two", "echo 'it said: 100%'; exec sleep 3600"))
    assert supervisor.pid() == supervisord.pid
    statuses = by_name(supervisor)
    assert set(statuses) == {"one", "two"}
    for status in statuses.values():
        assert psutil.pid_exists(status.pid)
        assert status.restarts == 0
    # Another object of this home, as another command has it, sees the same.
    assert by_name(Supervisor(home)) == statuses
    wait_until(lambda: (supervisor.logs / "two.log").read_text() == "it said: 100%\n")
    with pytest.raises(EnergyPlatformError, match="already runs"):
        supervisor.start([], os.environ, Path(TRUE))
    supervisor.stop(supervisord.pid)
    assert left(home) == []
    assert supervisor.statuses() == []


def test_its_socket_is_for_this_user_alone(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(sleeper("one"))
    assert supervisor._socket.stat().st_mode & 0o077 == 0
    assert supervisor._socket.parent.stat().st_mode & 0o077 == 0


def test_a_process_that_dies_is_started_again_and_counted(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(sleeper("victim"), sleeper("other"))
    before = by_name(supervisor)
    for deaths in (1, 2):
        victim = by_name(supervisor)["victim"].pid
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda victim=victim: by_name(supervisor)["victim"].pid not in (0, victim)  # type: ignore[misc]
        )
        wait_until(lambda: by_name(supervisor)["victim"].state == "RUNNING")
        assert by_name(supervisor)["victim"].restarts == deaths
    assert by_name(supervisor)["other"] == before["other"]


def test_a_process_that_ends_well_is_started_again_too(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    start(shell("brief", "sleep 1.2"))
    wait_until(lambda: by_name(supervisor)["brief"].restarts >= 1)


def test_stop_leaves_nothing_behind_that_will_not_go(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    supervisord = start(
        sleeper("willing"),
        shell("deaf", STUBBORN),
        shell("parent", f'(/bin/sh -c "{STUBBORN}") & sleep 3600'),
        shell("absconding", "setsid sleep 3600 & sleep 3600"),
    )  # fmt: skip
    wait_until(lambda: "deaf" in (supervisor.logs / "deaf.log").read_text())
    wait_until(lambda: "deaf" in (supervisor.logs / "parent.log").read_text())
    assert len(left(home)) > 6
    supervisor.stop(supervisord.pid)
    assert left(home) == []


def test_stop_of_what_has_ended_does_nothing(supervisor: Supervisor) -> None:
    ended = subprocess.Popen([TRUE])
    ended.wait()
    supervisor.stop(ended.pid)


def test_a_supervisor_that_was_killed_is_started_again_and_its_orphans_ended(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    first = start(sleeper("one"))
    orphans = psutil.Process(first.pid).children()
    first.kill()
    first.wait()
    assert supervisor.statuses() == []
    second = start(sleeper("one"))
    assert supervisor.pid() == second.pid
    assert orphans
    assert not any(orphan.is_running() for orphan in orphans)


def test_preparation_that_fails_is_told_with_its_log(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = (sys.executable, "-c", "raise SystemExit('no room')")
    monkeypatch.setattr(module, "preparation", lambda: failing)
    instance = tmp_path / "dagster.yaml"
    instance.touch()
    with pytest.raises(EnergyPlatformError, match=r"see .*preparation\.log"):
        supervisor.start([sleeper("one")], os.environ, instance)
    assert (supervisor.logs / "preparation.log").read_text() == "no room\n"
    assert supervisor.statuses() == []
