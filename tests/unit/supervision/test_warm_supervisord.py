"""Children that are forks of their supervisor: like processes of their own, without the imports."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from energy_platform.operations.supervision.plan import PROJECT, Plan, Process
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.operations.supervision.warm_supervisord import WarmStart

PATIENCE_SECONDS = 90.0

SHARED = "import os\nIMPORTED_BY = os.getpid()\n"
SCRIPT = """
import atexit, os, shared, signal, sys, threading, time
atexit.register(print, "at its end", flush=True)
print(__name__, sys.argv[1:], os.environ["SUPERVISOR_PROCESS_NAME"], flush=True)
print("imported here", shared.IMPORTED_BY == os.getpid(), flush=True)
print("handlers", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
print("descriptors", sorted(os.listdir("/proc/self/fd"))[:3], flush=True)
threading.Thread(target=lambda: print("a thread", flush=True)).start()
if sys.argv[1:] == ["stay"]:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(3600)
time.sleep(1.5)
"""


WORKERS_AFTER_THE_IMPORTS = """
from importlib import import_module
from pathlib import Path
from energy_platform.operations.supervision.plan import shared_modules

for module in shared_modules():
    import_module(module)
for thread in Path("/proc/self/task").iterdir():
    print((thread / "comm").read_text().strip())
"""
"""Prints the names of the threads that a process has once it has imported what forks share."""


def test_no_thread_pool_begins_to_work_while_the_shared_modules_are_imported() -> None:
    """A fork has the pool's locks without its threads, so its first question waits for ever."""
    said = subprocess.run(
        [sys.executable, "-c", WORKERS_AFTER_THE_IMPORTS],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = said.stdout.split()
    assert "python" in names
    assert [name for name in names if re.match(r"polars-\d|tokio", name)] == []


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A console script beside the module that it shares."""
    (tmp_path / "shared.py").write_text(SHARED)
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    return script


@pytest.fixture
def supervisor(home: Path) -> Supervisor:
    return Supervisor(home)


@pytest.fixture
def start(
    supervisor: Supervisor, home: Path, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start processes; whatever a test left of them is ended afterwards."""
    instance = tmp_path / "dagster.yaml"
    instance.touch()
    started: list[subprocess.Popen[bytes]] = []

    def begin(*planned: Process, warm: WarmStart) -> subprocess.Popen[bytes]:
        path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
        environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home), "PYTHONPATH": path}
        plan = Plan(processes=planned, environment=environment, warm_start=warm)
        started.append(supervisor.start(plan, instance))
        return started[-1]

    yield begin
    for process in started:
        supervisor.stop(process.pid)
        process.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log(supervisor: Supervisor, name: str) -> str:
    file = supervisor.logs / f"{name}.log"
    return file.read_text() if file.exists() else ""


def test_a_warm_child_runs_its_script_as_a_process_of_its_own_would(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], program: Path
) -> None:
    start(
        Process("warm", (str(program), "stay")),
        Process("cold", (sys.executable, str(program), "stay")),
        warm=WarmStart(programs=["warm"], modules=["shared"]),
    )
    for name in ("warm", "cold"):
        wait_until(lambda name=name: "a thread" in log(supervisor, name))  # type: ignore[misc]
    warm, cold = log(supervisor, "warm"), log(supervisor, "cold")
    assert "imported here False" in warm
    assert warm.replace("here False", "here True") == cold.replace("'cold'", "'warm'").replace(
        " cold\n", " warm\n"
    )
    process = psutil.Process(next(s.pid for s in supervisor.statuses() if s.name == "warm"))
    assert process.name() == "warm"


def test_a_warm_child_runs_a_module_as_python_would(
    supervisor: Supervisor,
    start: Callable[..., subprocess.Popen[bytes]],
    program: Path,
    tmp_path: Path,
) -> None:
    program.rename(tmp_path / "module.py")
    command = (sys.executable, "-m", "module", "stay")
    start(Process("warm", command), warm=WarmStart(programs=["warm"], modules=["shared"]))
    wait_until(lambda: "a thread" in log(supervisor, "warm"))
    assert "__main__ ['stay'] warm" in log(supervisor, "warm")
    assert "imported here False" in log(supervisor, "warm")


def test_a_warm_child_ends_as_a_process_does_and_comes_back(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], program: Path
) -> None:
    start(
        Process("brief", (str(program), "end")),
        Process("victim", (str(program), "stay")),
        warm=WarmStart(programs=["brief", "victim"], modules=["shared"]),
    )
    wait_until(lambda: log(supervisor, "brief").count("at its end") >= 2)
    wait_until(lambda: "a thread" in log(supervisor, "victim"))
    victim = next(one.pid for one in supervisor.statuses() if one.name == "victim")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: log(supervisor, "victim").count("a thread") == 2)
    assert log(supervisor, "victim").count("imported here False") == 2


def test_preparation_is_over_before_a_warm_child_begins_and_holds_up_no_other(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], program: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    preparation = tmp_path / "prepare"
    preparation.write_text(
        "import pathlib, sys, time\n"
        "cold = pathlib.Path(sys.argv[1])\n"
        "while not cold.exists(): time.sleep(0.05)\n"
        "print('prepared', flush=True)\n"
    )
    begun = tmp_path / "begun"
    start(
        Process("cold", ("/bin/sh", "-c", 'touch "$0"; exec sleep 3600', str(begun))),
        Process("warm", (str(program), "stay")),
        warm=WarmStart(
            programs=["warm"], modules=["shared"], preparation=[str(preparation), str(begun)]
        ),
    )
    wait_until(lambda: "a thread" in log(supervisor, "warm"))
    assert supervisor.preparation_log.read_text() == "prepared\n"


@pytest.mark.parametrize(
    "warm",
    [
        WarmStart(programs=["warm"], modules=["no_such_module"]),
        WarmStart(programs=["warm"], preparation=["/no/such/script"]),
    ],
    ids=["imports", "preparation"],
)
def test_what_fails_before_warm_children_ends_all_and_is_told(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], program: Path,
    warm: WarmStart,
) -> None:  # fmt: skip
    cold, waiting = Process("cold", ("/bin/sleep", "3600")), Process("warm", (str(program),))
    supervisord = start(cold, waiting, warm=warm)
    assert supervisord.wait(PATIENCE_SECONDS) == 1
    assert "no_such_module" in supervisor.preparation_log.read_text() or (
        "/no/such/script" in supervisor.preparation_log.read_text()
    )
    assert log(supervisor, "warm") == ""


def test_it_stops_at_once_in_the_middle_of_imports(
    supervisor: Supervisor, start: Callable[..., subprocess.Popen[bytes]], program: Path,
    tmp_path: Path, home: Path,
) -> None:  # fmt: skip
    begun = tmp_path / "begun"
    (tmp_path / "slow.py").write_text(
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(3600)\n"
    )
    supervisord = start(
        Process("cold", ("/bin/sleep", "3600")),
        Process("warm", (str(program), "stay")),
        warm=WarmStart(programs=["warm"], modules=["slow"]),
    )
    wait_until(begun.exists)
    asked = time.monotonic()
    supervisor.stop(supervisord.pid)
    # Sooner than what does not stop is killed.
    assert time.monotonic() - asked < 4
    supervisord.wait()
    assert not any(str(home) in _environment(one) for one in psutil.process_iter())


def _environment(process: psutil.Process) -> str:
    try:
        return process.environ().get("ENERGY_PLATFORM_SUPERVISED", "")
    except psutil.Error:
        return ""
