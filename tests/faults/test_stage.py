"""How a soak strikes a platform, tried on one whose processes only sleep."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import psutil
import pytest

from energy_platform.operations.supervision.plan import Plan, Process
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.operations.supervision.warm_supervisord import WarmStart
from tests.faults import cases, memory, soak
from tests.faults.cases import Case
from tests.faults.stage import Stage
from tests.support.running_platform import RunningPlatform, wait_for

NAMES = ["broker", "collector", "worker-1", "worker-2"]
PATIENCE_SECONDS = 120.0


@pytest.fixture
def stage(home: Path, tmp_path: Path) -> Iterator[Stage]:
    instance = tmp_path / "dagster.yaml"
    instance.touch()
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    plan = Plan(
        processes=[Process(name, ("/bin/sleep", "3600")) for name in NAMES],
        environment=environment,
        warm_start=WarmStart(),
    )
    supervisor = Supervisor(home)
    supervisord = supervisor.start(plan, instance)
    command = subprocess.Popen([sys.executable, "-c", ""], text=True)
    command.wait()
    try:
        platform = RunningPlatform(home, command, environment)
        begun = Stage(platform=platform, random=Random(7), hold_seconds=0.1)
        wait_for("start", lambda: all_run(begun), PATIENCE_SECONDS)
        yield begun
    finally:
        supervisor.stop(supervisord.pid)
        supervisord.wait()


def all_run(stage: Stage) -> bool:
    states = [one.state for one in stage.platform.processes().values()]
    return states == ["RUNNING"] * len(NAMES)


def is_in(state: str, pid: int) -> bool:
    return psutil.Process(pid).status() == state


def come_back(stage: Stage, killed: set[int]) -> None:
    def are_new() -> bool:
        return all_run(stage) and not killed & set(stage.pids(NAMES).values())

    wait_for("new processes", are_new, PATIENCE_SECONDS)


@pytest.mark.parametrize("strike", [cases.kill_one, cases.kill_several, cases.kill_in_succession])
def test_processes_are_killed_and_come_back(stage: Stage, strike: cases.Strike) -> None:
    before = set(stage.pids(NAMES).values())
    killed = strike(stage)
    assert killed & before
    come_back(stage, killed)
    after = set(stage.pids(NAMES).values())
    assert before - after == killed & before


def test_a_process_is_stopped_and_goes_on(stage: Stage) -> None:
    [pid] = stage.pids(["collector"]).values()
    with stage.stopped(["collector"]):
        wait_for("stop", lambda: is_in(psutil.STATUS_STOPPED, pid), PATIENCE_SECONDS)
    wait_for("going on", lambda: is_in(psutil.STATUS_SLEEPING, pid), PATIENCE_SECONDS)
    assert cases.stop_one(stage) == set()


def test_a_process_is_taken_away_and_given_back(stage: Stage) -> None:
    before = stage.pids(NAMES)
    with stage.away("collector"):
        assert stage.pids(["collector"]) == {}
    wait_for("start", lambda: all_run(stage), PATIENCE_SECONDS)
    after = stage.pids(NAMES)
    assert {name for name in NAMES if before[name] != after[name]} == {"collector"}


def test_workers_are_killed_once_a_run_is_under_way(stage: Stage) -> None:
    runs = stage.platform.home / "dagster" / "history" / "runs.db"
    runs.parent.mkdir(parents=True)
    with closing(sqlite3.connect(runs)) as connection, connection:
        connection.execute("CREATE TABLE runs (status TEXT)")
        connection.execute("INSERT INTO runs VALUES ('STARTED')")
    workers = set(stage.pids(["worker-1", "worker-2"]).values())
    killed = cases.kill_workers_in_mid_run(stage)
    assert killed == workers
    come_back(stage, killed)


def test_the_broker_is_emptied(stage: Stage) -> None:
    kept = stage.platform.home / "broker" / "appendonlydir"
    kept.mkdir()
    (kept / "appendonly.aof.1.incr.aof").write_bytes(b"a queue")
    killed = cases.empty_the_broker(stage)
    assert len(killed) == 1
    assert not kept.exists()
    come_back(stage, killed)


def test_a_second_platform_is_refused(stage: Stage) -> None:
    assert cases.start_a_second_platform(stage) == set()
    assert all_run(stage)


def test_a_case_that_fails_or_never_gets_well_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Stage) -> set[int]:
        raise RuntimeError("no such harm")

    struck = soak.strike(Case(name="harm", promise="none", strike=fail), stage)
    assert (struck.seconds, struck.failure) == (None, "RuntimeError: no such harm")
    monkeypatch.setattr(soak, "wait_until_well", lambda *_: None)
    struck = soak.strike(Case(name="kill", promise="none", strike=cases.kill_one), stage)
    assert (struck.killed, struck.failure) == (1, "")
    assert struck.seconds is not None
    come_back(stage, set())
    monkeypatch.setattr(memory, "MOST_MB", 0.1)
    struck = soak.strike(Case(name="surge", promise="none", strike=lambda _: set()), stage)
    assert all(f"{name} has held " in struck.failure for name in NAMES), struck.failure


def test_the_memory_of_each_process_is_noted(stage: Stage) -> None:
    notes: memory.Notes = {}
    for minute in (0.0, 1.04):
        memory.note(stage.platform.home, minute, notes)
    assert sorted(notes) == NAMES
    assert [minute for minute, _ in notes["broker"]] == [0.0, 1.0]
    assert all(0.0 < used_mb < 10.0 for noted in notes.values() for _, used_mb in noted)


def test_a_round_has_each_case_as_often_as_it_wants(stage: Stage) -> None:
    chosen = cases.embedded()
    wanted = sorted(case.name for case in chosen for _ in range(case.times))
    coming = cases.rounds(chosen, stage)
    first, second = ([next(coming).name for _ in wanted] for _ in range(2))
    assert sorted(first) == sorted(second) == wanted
    assert first != second
