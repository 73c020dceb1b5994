"""The engines that stage a replay: what they start, how they fail, and how they end.

Processes are real ones. Cloud Run is a local server that holds each request to Google's discovery
document and runs each task as the job's container would: the platform's command, in an environment
with the task's number. Beam's own tests are marked `deploy`, since they need its environment.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httplib2
import psutil
import pytest
from googleapiclient.discovery import build

from energy_platform.errors import StagingFailedError, UsageError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.replay.runners import cloud_run, processes
from energy_platform.pipeline.replay.runners.choice import open_stager
from energy_platform.pipeline.replay.runners.cloud_run import CloudRunJob
from energy_platform.pipeline.replay.runners.processes import Processes, RunningProcesses
from energy_platform.pipeline.replay.staged import StagedFiles
from energy_platform.pipeline.replay.stager import Runner, Stager
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import ReplayRunner, Settings
from tests.support.google_api import Asked, GoogleApi, serving
from tests.support.staging import ROOM, SMALL, empty
from tests.support.stores import land, quarantined, run_all, stored
from tests.support.testcases import case_messages

CASES = Path(__file__).parent.parent / "testcases"
SOURCE = "energy_charts_price"
JOB = "projects/desk/locations/europe-west3/jobs/replay"
EXECUTION = f"{JOB}/executions/replay-abcde"


@pytest.fixture
def source() -> MarketSource:
    return market_source(SOURCE)


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def batches(chosen: Settings, source: MarketSource) -> MicroBatches:
    batches = open_micro_batches(chosen)
    case = next(one for one in sorted((CASES / SOURCE).iterdir()) if one.is_dir())
    messages = case_messages(source, case)
    land(batches, [*messages * 3, replace(messages[0], body=b"{"), *messages * 3], source=source)
    run_all(batches, source)
    return batches


def stager(batches: MicroBatches, runner: Runner) -> Stager:
    return Stager(zone=batches.landing, runner=runner, most_bytes=ROOM, size=SMALL)


def planned(batches: MicroBatches, source: MarketSource) -> Plan:
    offsets = range(batches.landing.log(SOURCE).end_offset())
    made = stager(batches, Processes(landing="", most_bytes=ROOM)).plan(source, offsets)
    assert made is not None
    return made


def assert_replays(batches: MicroBatches, source: MarketSource, runner: Runner) -> None:
    wanted = [stored(batches, source), quarantined(batches, source)]
    assert wanted[0].height > 0
    assert wanted[1].height > 0
    empty(batches, source)
    seen: list[tuple[int, int]] = []
    by = replace(stager(batches, runner), tell=lambda staged, of: seen.append((staged, of)))
    report = replay(batches, source, start=0, stager=by)
    assert seen[-1] == (report.ranges, report.ranges)
    for found, expected in zip(
        (stored(batches, source), quarantined(batches, source)), wanted, strict=True
    ):
        assert found.equals(expected)


def test_processes_replay(chosen: Settings, batches: MicroBatches, source: MarketSource) -> None:
    runner = Processes(landing=chosen.landing_url, most_bytes=ROOM, count=2)
    assert_replays(batches, source, runner)


@pytest.mark.nightly
def test_a_process_that_fails_fails_the_staging(
    chosen: Settings, batches: MicroBatches, source: MarketSource
) -> None:
    plan = planned(batches, source)
    StagedFiles(batches.landing, SOURCE).clear()
    run = Processes(landing=chosen.landing_url, most_bytes=ROOM, count=1).start(plan)
    with pytest.raises(StagingFailedError, match="ended with code 1"):
        wait_for(run)
    run.cancel()


def wait_for(run: RunningProcesses) -> None:
    while run.is_running():
        time.sleep(0.05)


SLEEPS = "import time; time.sleep(600)"


def test_cancelled_processes_are_gone(
    chosen: Settings, batches: MicroBatches, source: MarketSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PROGRAM", SLEEPS)
    run = Processes(landing=chosen.landing_url, most_bytes=ROOM, count=2).start(
        planned(batches, source)
    )
    assert run.is_running()
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 5
    assert all(one.poll() is not None for one in run._processes)


HANGS = """
import threading
from energy_platform.pipeline.replay.runners import program
program.stage = lambda *_, **__: threading.Event().wait(600)
program.main()
"""
STARTS = f"""
import time
from energy_platform.pipeline.replay.runners import processes
from energy_platform.pipeline.replay.plan import Plan
processes._PROGRAM = {HANGS!r}
plan = Plan(plan_id="p", source="s", made_with="", bounds=(0, 1, 2))
run = processes.Processes(landing="file:///tmp", most_bytes=1, count=2).start(plan)
print(*(one.pid for one in run._processes), flush=True)
time.sleep(600)
"""


@pytest.mark.nightly
def test_processes_end_with_a_killed_replay() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(children) == 2
        os.kill(parent.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert len(gone) == 2


@dataclass
class CloudRun:
    """Google's side of a job: it runs each task as the job's container would.

    Attributes:
        environment: The environment of the job's containers.
        ends_as: How the execution ended; empty while it runs.
        is_down: Whether the next look fails.
        runs_tasks: Whether tasks run at all.
    """

    environment: dict[str, str]
    ends_as: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    runs_tasks: bool = True

    def __call__(self, asked: Asked) -> Any:
        match asked.method:
            case "projects.locations.jobs.run":
                if self.runs_tasks:
                    threading.Thread(target=self._run, args=[asked.body["overrides"]]).start()
                return {"name": "operations/1", "metadata": {"name": EXECUTION}}
            case "projects.locations.jobs.executions.get":
                if self.is_down:
                    self.is_down = False
                    return 503
                return {"name": EXECUTION, **self.ends_as}
            case "projects.locations.jobs.executions.cancel":
                return {"name": "operations/2"}
        return 404

    def _run(self, overrides: dict[str, Any]) -> None:
        [container] = overrides["containerOverrides"]
        count = overrides["taskCount"]
        for task in range(count):
            number = {"CLOUD_RUN_TASK_INDEX": str(task), "CLOUD_RUN_TASK_COUNT": str(count)}
            subprocess.run(
                [Path(sys.executable).with_name("energy-platform"), *container["args"]],
                env={**self.environment, **number},
                check=True,
            )
        self.ends_as = {"completionTime": "2026-12-01T00:00:00Z", "succeededCount": count}


@pytest.fixture
def google(tmp_path: Path) -> CloudRun:
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(tmp_path / "home")}
    return CloudRun({**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


@pytest.fixture
def api(google: CloudRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleApi]:
    monkeypatch.setattr(cloud_run, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(cloud_run, "_TRIES_AGAIN", 0)
    with serving("run.v2", google) as api:
        yield api
    assert api.faults == []


def job_at(api: GoogleApi, *, tasks: int = 2) -> CloudRunJob:
    service = build(
        "run", "v2", http=httplib2.Http(timeout=10), static_discovery=True,
        client_options={"api_endpoint": api.url},
    )  # fmt: skip
    return CloudRunJob(service, JOB, tasks)


@pytest.mark.nightly
def test_a_cloud_run_job_replays(
    batches: MicroBatches, source: MarketSource, google: CloudRun, api: GoogleApi
) -> None:
    assert_replays(batches, source, job_at(api))
    asked = api.asked[0]
    assert (asked.method, asked.path) == ("projects.locations.jobs.run", f"v2/{JOB}:run")
    assert asked.body["overrides"]["taskCount"] == 2
    assert "projects.locations.jobs.executions.cancel" not in {one.method for one in api.asked}


def test_an_execution_that_is_not_wanted_any_more_is_cancelled(
    batches: MicroBatches, source: MarketSource, google: CloudRun, api: GoogleApi
) -> None:
    google.runs_tasks = False
    run = job_at(api).start(planned(batches, source))
    google.is_down = True
    assert run.is_running()  # nobody knows, so it counts as running
    assert run.is_running()
    run.cancel()
    assert api.asked[-1].method == "projects.locations.jobs.executions.cancel"
    assert api.asked[-1].path == f"v2/{EXECUTION}:cancel"


def test_a_task_that_fails_fails_the_staging(
    batches: MicroBatches, source: MarketSource, google: CloudRun, api: GoogleApi
) -> None:
    google.runs_tasks = False
    google.ends_as = {"completionTime": "2026-12-01T00:00:00Z", "failedCount": 1, "logUri": "here"}
    run = job_at(api).start(planned(batches, source))
    with pytest.raises(StagingFailedError, match="1 tasks failed and 0 were cancelled; here"):
        run.is_running()
    run.cancel()
    assert api.asked[-1].method == "projects.locations.jobs.executions.get"


def test_a_job_that_is_refused_leaves_the_table_as_it_was(
    batches: MicroBatches, source: MarketSource
) -> None:
    with serving("run.v2", lambda _: 403) as api:
        before = stored(batches, source)
        with pytest.raises(StagingFailedError, match="can't run"):
            replay(batches, source, start=0, stager=stager(batches, job_at(api)))
    assert stored(batches, source).equals(before)


def test_the_local_google_refuses_a_wrong_body() -> None:
    api = GoogleApi.named("run.v2")
    for body in (b'{"overrides": {"tasks": 2}}', b'{"overrides": {"taskCount": "2"}}', b"[]"):
        assert api.understood("POST", f"v2/{JOB}:run", body) is None
    assert api.understood("POST", f"v2/{JOB}:walk", b"{}") is None
    assert len(api.faults) == 4


@pytest.mark.parametrize(
    ("kind", "said", "complaint"),
    [
        (ReplayRunner.CLOUD_RUN, {}, "ENERGY_PLATFORM_REPLAY_JOB"),
        (ReplayRunner.CLOUD_RUN, {"replay_job": JOB}, "in Cloud Storage alone"),
        (ReplayRunner.BEAM, {"replay_beam_python": "/nowhere/python"}, "`make beam`"),
    ],
)
def test_an_engine_that_is_not_described_is_refused(
    batches: MicroBatches,
    chosen: Settings,
    kind: ReplayRunner,
    said: dict[str, str],
    complaint: str,
) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_stager(Settings(home=chosen.home, **said), batches.landing, kind)  # type: ignore[arg-type]
