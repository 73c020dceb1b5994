"""Beam stages a replay: on this machine, and on a local Dataflow that reads jobs by its document.

The local Dataflow is a server that holds each request to Google's discovery document. It runs no
pipeline: it says that the job is done, or running until it is cancelled. Needs `make beam`.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from energy_platform.errors import StagingFailedError
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.replay.runners.beam import Beam, RunningPipeline
from energy_platform.pipeline.replay.stager import Stager
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Settings
from tests.support.cloud_storage_server import BUCKET, cloud_storage_server
from tests.support.google_api import Asked, GoogleApi, serving
from tests.support.staging import ROOM, SMALL, empty
from tests.support.stores import land, quarantined, run_all, stored
from tests.support.testcases import case_messages

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-beam" / "bin" / "python"
CASES = ROOT / "tests" / "testcases"
SOURCE = "energy_charts_price"
JOB = "2026-12-01_00_00_00-1"
LOOPBACK = "127.0.0.1"
IMAGE = "europe-west3-docker.pkg.dev/desk/platform/beam:1"

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(not PYTHON.exists(), reason="no Beam: `make beam` installs it"),
]


@pytest.fixture
def source() -> MarketSource:
    return market_source(SOURCE)


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Settings(home=tmp_path / "home")


@pytest.fixture
def batches(chosen: Settings, source: MarketSource) -> MicroBatches:
    batches = open_micro_batches(chosen)
    case = next(one for one in sorted((CASES / SOURCE).iterdir()) if one.is_dir())
    messages = case_messages(source, case)
    land(batches, [*messages * 3, replace(messages[0], body=b"{"), *messages * 3], source=source)
    run_all(batches, source)
    return batches


def planned(batches: MicroBatches, source: MarketSource) -> Plan:
    stager = Stager(zone=batches.landing, runner=None, most_bytes=ROOM, size=SMALL)
    made = stager.plan(source, range(batches.landing.log(SOURCE).end_offset()))
    assert made is not None
    return made


@pytest.mark.parametrize(
    "options",
    [[], ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]],
    ids=["in one process", "in two"],
)
def test_the_direct_runner_replays(
    chosen: Settings, batches: MicroBatches, source: MarketSource, options: list[str]
) -> None:
    wanted = [stored(batches, source), quarantined(batches, source)]
    assert all(one.height > 0 for one in wanted)
    empty(batches, source)
    runner = Beam(python=PYTHON, landing=chosen.landing_url, most_bytes=ROOM, options=options)
    seen: list[tuple[int, int]] = []
    stager = Stager(
        zone=batches.landing, runner=runner, most_bytes=ROOM, size=SMALL,
        tell=lambda staged, of: seen.append((staged, of)),
    )  # fmt: skip
    report = replay(batches, source, start=0, stager=stager)
    assert seen[-1] == (report.ranges, report.ranges)
    assert report.ranges > 1
    assert stored(batches, source).equals(wanted[0])
    assert quarantined(batches, source).equals(wanted[1])


def test_a_pipeline_that_fails_fails_the_staging(
    chosen: Settings, batches: MicroBatches, source: MarketSource
) -> None:
    plan = replace(planned(batches, source), plan_id="another")
    run = Beam(python=PYTHON, landing=chosen.landing_url, most_bytes=ROOM).start(plan)
    with pytest.raises(StagingFailedError, match="ended with code 1"):
        wait_for(run)
    run.cancel()


def wait_for(run: RunningPipeline) -> None:
    while run.is_running():
        time.sleep(0.1)


@dataclass
class Dataflow:
    """Google's side: the state of the one job.

    Attributes:
        state: What a look at the job says.
    """

    state: str = "JOB_STATE_DONE"

    def __call__(self, asked: Asked) -> Any:
        match asked.method:
            case "projects.locations.jobs.create":
                return {**asked.body, "id": JOB, "currentState": "JOB_STATE_PENDING"}
            case "projects.locations.jobs.get":
                return {"id": JOB, "currentState": self.state}
            case "projects.locations.jobs.update":
                self.state = "JOB_STATE_CANCELLED"
                return {"id": JOB, "currentState": self.state}
            case "projects.locations.jobs.messages.list":
                return {"jobMessages": []}
        return 404


@pytest.fixture
def dataflow() -> Dataflow:
    return Dataflow()


@pytest.fixture
def api(dataflow: Dataflow) -> Iterator[GoogleApi]:
    with serving("dataflow.v1b3", dataflow) as api:
        yield api
    assert api.faults == []


@pytest.fixture
def on_dataflow(
    chosen: Settings, api: GoogleApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Beam]:
    """Beam on the local Dataflow, with a local Cloud Storage for the job's files."""
    with cloud_storage_server(tmp_path) as storage:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.address)
        yield _beam(chosen, api)


def word(api: GoogleApi, name: str, number: int) -> str:
    """Return the word of an enumeration of a job, which Beam sends by its number."""
    words: list[str] = api.document["schemas"]["Job"]["properties"][name]["enum"]
    return words[number]


def _beam(chosen: Settings, api: GoogleApi) -> Beam:
    return Beam(
        python=PYTHON,
        landing=chosen.landing_url,
        most_bytes=ROOM,
        options=[
            "--runner=DataflowRunner",
            "--project=desk",
            "--region=europe-west3",
            "--job_name=replay",
            f"--temp_location=gs://{BUCKET}/beam",
            f"--dataflow_endpoint={api.url.replace(LOOPBACK, 'localhost')}",
            "--no_auth",
            "--sdk_location=container",
            f"--sdk_container_image={IMAGE}",
        ],
    )


def test_a_dataflow_job_is_one_that_dataflow_takes(
    batches: MicroBatches, source: MarketSource, api: GoogleApi, on_dataflow: Beam
) -> None:
    run = on_dataflow.start(planned(batches, source))
    wait_for(run)
    run.cancel()
    created = next(one for one in api.asked if one.method == "projects.locations.jobs.create")
    job = created.body
    assert (job["name"], word(api, "type", job["type"])) == ("replay", "JOB_TYPE_BATCH")
    [pool] = job["environment"]["workerPools"]
    assert {one["containerImage"] for one in pool["sdkHarnessContainerImages"]} == {IMAGE}


def test_an_unwanted_dataflow_job_is_cancelled(
    batches: MicroBatches,
    source: MarketSource,
    api: GoogleApi,
    dataflow: Dataflow,
    on_dataflow: Beam,
) -> None:
    dataflow.state = "JOB_STATE_RUNNING"
    run = on_dataflow.start(planned(batches, source))
    until = time.monotonic() + 120
    while not any(one.method == "projects.locations.jobs.get" for one in api.asked):
        assert run.is_running()
        assert time.monotonic() < until
        time.sleep(0.1)
    run.cancel()
    [update] = [one for one in api.asked if one.method == "projects.locations.jobs.update"]
    wanted = word(api, "requestedState", update.body["requestedState"])
    assert wanted == "JOB_STATE_CANCELLED"
    assert run._process.poll() is not None
