"""The backfill job asks, waits for the market group's runs, and says what came of it."""

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dagster import DagsterInstance, DagsterRun, ExecuteInProcessResult, RunConfig
from dagster._core.launcher import WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

from assets import backfill, backfill_job
from assets.backfill import BackfillConfig
from energy_platform.errors import FeedError
from energy_platform.market.feed import FeedSession, HistoryChunk, WireProtocol
from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.micro_batch import MicroBatches
from resources import Platform
from resources.launcher import OWN_PROCESS, WarmCeleryRunLauncher, has_own_process
from tests.support.environment import add_source_module
from tests.support.sources import EXAMPLE, example_message

SOURCE = """
from dataclasses import replace
from tests.support.sources import EXAMPLE
from tests.unit.dagster_layer.test_backfill_job import DailyFeed

DAILY = replace(EXAMPLE, name="daily_price", feed=DailyFeed())
"""


@dataclass(frozen=True)
class DailyFeed:
    """A past of two chunks; the second can't be had while `refuses` says so."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    keeps_history: ClassVar[bool] = True
    refuses: ClassVar[list[bool]] = []

    async def run(self, session: FeedSession) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        yield [HistoryChunk(key=str(day), fetch=partial(self._fetch, day)) for day in (1, 2)]

    async def _fetch(self, day: int) -> Sequence[RawMessage]:
        if day == 2 and self.refuses:
            raise FeedError("no such day")
        return [example_message([("CZ", day, 1.0)])]


@pytest.fixture
def daily_known(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_source_module(tmp_path / "sources", "daily_price", SOURCE, monkeypatch)


@contextmanager
def storing(batches: MicroBatches) -> Iterator[None]:
    """Run micro-batches beside, as the sensor's runs do."""
    from energy_platform.market.registry import market_source  # noqa: PLC0415 (known by then)

    ended = threading.Event()

    def store() -> None:
        while not ended.wait(0.1):
            batches.run(market_source("daily_price"))

    thread = threading.Thread(target=store)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def run_job(instance: DagsterInstance, **config: Any) -> ExecuteInProcessResult:
    given = {"source": "daily_price", "start": "2026-01-01", "end": "2026-01-03", **config}
    return backfill_job.execute_in_process(
        run_config=RunConfig(ops={"ask_for_the_past": BackfillConfig(**given)}),
        resources={"platform": Platform()},
        instance=instance,
        raise_on_error=False,
    )


def words(instance: DagsterInstance, result: ExecuteInProcessResult) -> str:
    """Return all that the run's log says."""
    return "\n".join(
        entry.message + str(entry.dagster_event.event_specific_data if entry.dagster_event else "")
        for entry in instance.all_logs(result.run_id)
    )


def metadata(result: ExecuteInProcessResult) -> dict[str, Any]:
    [output] = result.get_step_success_events() and [
        event for event in result.all_node_events if event.is_successful_output
    ]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


@pytest.mark.usefixtures("daily_known")
def test_the_job_lands_the_past_and_waits_until_it_is_stored(
    platform_batches: MicroBatches,
) -> None:
    with DagsterInstance.ephemeral() as instance, storing(platform_batches):
        result = run_job(instance)
        assert result.success
        said = metadata(result)
        assert (said["chunks"], said["messages"], said["rows_new"]) == (2, 2, 2)
        assert said["all_stored"] is True
        assert "2 of 2 chunks have landed" in words(instance, result)
        assert metadata(run_job(instance))["chunks_landed_by_an_earlier_run"] == 2
        assert metadata(run_job(instance, again=True))["chunks_landed_by_an_earlier_run"] == 0


@pytest.mark.usefixtures("daily_known")
def test_chunks_that_are_left_fail_the_run(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_platform.ingest.backfill.run._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(DailyFeed, "refuses", [True])
    with DagsterInstance.ephemeral() as instance, storing(platform_batches):
        result = run_job(instance)
        assert not result.success
        assert "1 chunks are left" in words(instance, result)
        monkeypatch.setattr(DailyFeed, "refuses", [])
        assert metadata(run_job(instance))["chunks_landed_by_an_earlier_run"] == 1


@pytest.mark.usefixtures("daily_known")
def test_without_the_sensors_runs_it_says_that_nothing_was_stored(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "_STALLED_SECONDS", 0.0)
    monkeypatch.setattr(backfill, "_LOOK_SECONDS", 0.01)
    with DagsterInstance.ephemeral() as instance:
        assert metadata(run_job(instance))["all_stored"] is False


@pytest.mark.usefixtures("daily_known", "example_known")
@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"source": "nonsense"}, "nonsense"),
        ({"source": EXAMPLE.name}, "Example serves no history by this feed"),
        ({"start": "soon"}, "not an instant in ISO 8601: 'soon'"),
        ({"start": "2026-02-01"}, "starts before it ends"),
        ({"end": "2100-01-01"}, "history ends now"),
    ],
)
def test_what_cannot_be_asked_for_fails_in_one_line(config: dict[str, str], why: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        result = run_job(instance, **config)
        assert not result.success
        assert why in words(instance, result)


def test_a_backfill_takes_no_warm_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[str] = []
    for kind, way in ((DefaultRunLauncher, "launch_run"), (WarmCeleryRunLauncher, "_send")):
        monkeypatch.setattr(kind, way, lambda self, _: launched.append(type(self).__name__))
    with DagsterInstance.ephemeral() as instance:
        launcher = WarmCeleryRunLauncher(default_queue="dagster")
        launcher.register_instance(instance)
        for tags in (backfill_job.tags, {"market_group": "grid"}):
            run = DagsterRun(job_name="any", tags=tags)
            launcher.launch_run(type("Context", (), {"dagster_run": run})())
    assert launched == ["DefaultRunLauncher", "WarmCeleryRunLauncher"]


def test_a_run_that_no_code_server_knows_is_dead() -> None:
    with DagsterInstance.ephemeral() as instance:
        launcher = WarmCeleryRunLauncher(default_queue="dagster")
        launcher.register_instance(instance)
        run = DagsterRun(job_name="backfill", tags=OWN_PROCESS)
        assert has_own_process(run)
        instance.add_run(run)
        assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
