"""The replay job stages, says how far it is, merges, and ends its processes when it is ended."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
    RunConfig,
)

from assets import replay_job
from assets.replay import ReplayConfig
from energy_platform.market.registry import market_source
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay.plan import RangeSize
from energy_platform.pipeline.replay.runners import choice, processes
from energy_platform.pipeline.replay.stager import Stager
from energy_platform.pipeline.tables import market_table
from resources import Platform
from tests.support.staging import empty
from tests.support.stores import land, run_all, stored
from tests.support.testcases import case_messages

CASES = Path(__file__).parents[2] / "testcases"
SOURCE = "energy_charts_price"
IN_SMALL_RANGES = partial(Stager, size=RangeSize(messages=3))


@pytest.fixture
def batches(platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch) -> MicroBatches:
    """The stores of a home with a table that is wrong, to be replayed in small ranges."""
    source = market_source(SOURCE)
    case = next(one for one in sorted((CASES / SOURCE).iterdir()) if one.is_dir())
    land(platform_batches, case_messages(source, case) * 6, source=source)
    run_all(platform_batches, source)
    monkeypatch.setattr(choice, "Stager", IN_SMALL_RANGES)
    return platform_batches


def run_job(instance: DagsterInstance, **config: Any) -> ExecuteInProcessResult:
    return replay_job.execute_in_process(
        run_config=RunConfig(ops={"make_again": ReplayConfig(**config)}),
        resources={"platform": Platform()},
        instance=instance,
        raise_on_error=False,
    )


def test_the_job_replays_and_says_how_far_it_is(batches: MicroBatches) -> None:
    source = market_source(SOURCE)
    wanted = stored(batches, source)
    empty(batches, source)
    with DagsterInstance.ephemeral() as instance:
        assert run_job(instance, source=SOURCE).success
        newest = instance.fetch_observations(AssetKey(SOURCE), limit=1).records[0].asset_observation
        made = instance.get_latest_materialization_event(AssetKey(SOURCE))
    assert newest is not None
    assert newest.metadata["replay_ranges_staged"].value == newest.metadata["replay_ranges"].value
    assert newest.metadata["replay_ranges"].value not in (0, 1)
    assert made is not None
    assert made.asset_materialization is not None
    assert made.asset_materialization.metadata["rows_stored"].value == wanted.height
    assert stored(batches, source).equals(wanted)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"source": "nonsense"}, "unknown source 'nonsense'"),
        ({"source": SOURCE, "start": "soon"}, "not an instant in ISO 8601: 'soon'"),
        ({"source": SOURCE, "runner": "horses"}, "'horses' is not a valid ReplayRunner"),
    ],
)
def test_what_cannot_be_fails_in_one_line(
    batches: MicroBatches, config: dict[str, str], why: str
) -> None:
    with DagsterInstance.ephemeral() as instance:
        result = run_job(instance, **config)
        assert not result.success
        said = "\n".join(str(entry.dagster_event) for entry in instance.all_logs(result.run_id))
    assert why in said


HANGS = "import sys; sys.stdin.read(); sys.exit(1)"


def run_with_a_program_that_hangs() -> None:
    """Run the job in this process, which is another one than the test's."""
    patched = pytest.MonkeyPatch()
    patched.setattr(processes, "_PROGRAM", HANGS)
    patched.setattr(choice, "Stager", IN_SMALL_RANGES)
    with DagsterInstance.ephemeral() as instance:
        run_job(instance, source=SOURCE)


@pytest.mark.nightly
def test_an_ended_run_ends_its_processes_and_leaves_the_table(
    batches: MicroBatches, home: Path
) -> None:
    before = batches.warehouse.position(market_table(market_source(SOURCE)))
    code = f"from {__name__} import {run_with_a_program_that_hangs.__name__} as run; run()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as run:
        own = psutil.Process(run.pid)
        until = time.monotonic() + 120
        while not (staging := [one for one in own.children() if HANGS in one.cmdline()]):
            assert time.monotonic() < until
            time.sleep(0.05)
        # As Dagster ends a run: by an interrupt of the process that executes it.
        os.kill(own.pid, signal.SIGINT)
        gone, alive = psutil.wait_procs(staging, timeout=10)
        run.kill()
    assert not alive
    assert len(gone) == len(staging)
    assert batches.warehouse.position(market_table(market_source(SOURCE))) == before
