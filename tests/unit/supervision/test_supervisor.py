"""Processes under a real supervisord: restarted when they die, and all gone when told to stop."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision.plan import Plan, Process
from energy_platform.operations.supervision.supervisor import ProcessStatus, Supervisor
from energy_platform.operations.supervision.warm_supervisord import WarmStart

PATIENCE_SECONDS = 90.0
TRUE = "/bin/true"

STUBBORN = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.2; done"
"""A shell that hears no signal but SIGKILL."""


@pytest.fixture
def supervisor(home: Path) -> Supervisor:
    return Supervisor(home)


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    file = tmp_path / "dagster.yaml"
    file.touch()
    return file


@pytest.fixture
def start(
    supervisor: Supervisor, home: Path, instance: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes; whatever a test left of them is ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*planned: Process, warm: WarmStart | None = None) -> subprocess.Popen[bytes]:
        started.append(supervisor.start(plan_of(home, *planned, warm=warm), instance))
        wait_until(lambda: states(supervisor) == ["RUNNING"] * len(planned))
        return started[-1]

    yield begin
    for process in started:
        supervisor.stop(process.pid)
        process.wait()


def plan_of(home: Path, *planned: Process, warm: WarmStart | None = None) -> Plan:
    return Plan(
        processes=planned,
        environment={**os.environ, "ENERGY_PLATFORM_HOME": str(home)},
        warm_start=warm or WarmStart(),
    )


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


@pytest.mark.parametrize(
    "name", ["storage/event_log.db", "history/runs.db", "schedules/schedules.db"]
)
def test_a_damaged_database_of_dagster_does_not_outlast_a_start(
    name: str, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    file = home / "dagster" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"nothing that anybody wrote" * 100)
    start(Process("sleeper", ("/bin/sleep", "600")))
    assert [one.name.split(".damaged-")[0] for one in file.parent.iterdir()] == [file.name]
    assert not file.exists()


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
        supervisor.start(plan_of(home), Path(TRUE))
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


def test_a_killed_supervisor_takes_every_process_along(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    first = start(sleeper("one"), shell("deaf", STUBBORN))
    assert len(left(home)) >= 3
    first.kill()
    first.wait()
    wait_until(lambda: left(home) == [])
    assert supervisor.statuses() == []


def test_what_a_killed_supervisor_left_is_ended_by_the_next(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], home: Path
) -> None:
    first = start(shell("parent", "setsid sleep 3601 & sleep 3602"))
    wait_until(lambda: any("3601" in one.cmdline() for one in left(home)))
    first.kill()
    first.wait()
    orphans = left(home)
    second = start(sleeper("one"))
    assert supervisor.pid() == second.pid
    assert orphans
    assert not any(orphan.is_running() for orphan in orphans)


def test_everything_stops_when_whoever_started_it_is_killed(
    supervisor: Supervisor, home: Path, instance: Path
) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home), str(instance)], stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"started\n"
    wait_until(lambda: states(supervisor) == ["RUNNING"])
    starter.kill()
    starter.communicate()
    wait_until(lambda: left(home) == [])
    assert "received SIGTERM" in (supervisor.logs / "supervisord.log").read_text()


def test_of_two_that_start_at_once_one_wins(home: Path, instance: Path) -> None:
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(home), str(instance)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    said = []
    for starter in starters:
        assert starter.stdout is not None
        said.append(starter.stdout.readline())
    for starter in starters:
        starter.kill()
        starter.communicate()
    refusal = f"the platform already runs from {home}\n"
    assert sorted(said) == sorted(["started\n", refusal, refusal, refusal])
    wait_until(lambda: left(home) == [])


STARTER = """
import os, sys, time
from pathlib import Path
from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision.plan import Plan, Process
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.operations.supervision.warm_supervisord import WarmStart
home = Path(sys.argv[1])
plan = Plan(
    processes=[Process("one", ("/bin/sleep", "3600"))],
    environment={**os.environ, "ENERGY_PLATFORM_HOME": str(home)},
    warm_start=WarmStart(),
)
try:
    Supervisor(home).start(plan, Path(sys.argv[2]))
    print("started", flush=True)
except EnergyPlatformError as error:
    print(error, flush=True)
time.sleep(3600)
"""
"""A program that starts a supervisor and goes on, as `up` does."""


def test_a_home_that_is_a_file_is_refused(tmp_path: Path, instance: Path) -> None:
    home = tmp_path / "file"
    home.touch()
    with pytest.raises(EnergyPlatformError, match="can't be the platform's home: Not a directory"):
        Supervisor(home).start(plan_of(home), instance)


def test_a_home_that_nobody_may_write_to_is_refused(instance: Path) -> None:
    home = Path("/proc/self/home")
    with pytest.raises(EnergyPlatformError, match="can't be the platform's home"):
        Supervisor(home).start(plan_of(home), instance)


def test_a_home_on_a_full_disk_is_refused(
    supervisor: Supervisor, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EnergyPlatformError, match="5 MB are free on its disk, and 64 are needed"):
        supervisor.start(plan_of(supervisor.home), instance)


def test_commands_are_taken_as_they_stand(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    said = r"a #b ;c 100%% %(here)s 'quoted' \"twice\" $HOME"
    start(Process("one", ("/bin/sh", "-c", 'printf "%s\n" "$0"; exec sleep 3600', said)))
    wait_until(lambda: (supervisor.logs / "one.log").read_text() == f"{said}\n")
