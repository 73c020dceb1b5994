"""Beam stages a replay on this machine. Needs `make beam`."""

import time
from dataclasses import replace
from pathlib import Path

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
from tests.support.staging import ROOM, SMALL, empty
from tests.support.stores import land, quarantined, run_all, stored
from tests.support.testcases import case_messages

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-beam" / "bin" / "python"
CASES = ROOT / "tests" / "testcases"
SOURCE = "energy_charts_price"

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
