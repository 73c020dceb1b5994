"""The jobs that people start in the UI, on a running platform: through its queue and its launcher.

What the jobs do is tested in process; here they run as they do for their users.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest

from energy_platform.market.registry import market_source
from energy_platform.marts.catalogue import marts
from sensors.marts import JOB
from tests.support.environment import UNUSUAL_HOME
from tests.support.running_platform import RunningPlatform, started, wait_for, wait_until_flowing

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]

RUN_SECONDS = 400.0
PAST = "energy_charts_price"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with started(tmp_path_factory.mktemp("platform") / UNUSUAL_HOME) as running:
        wait_until_flowing(running)
        yield running


def run(platform: RunningPlatform, job: str, config: Mapping[str, Any]) -> None:
    """Launch a run as the UI's launchpad does, and wait for its success."""
    [told] = platform.query(
        f"""mutation {{ launchRun(executionParams: {{
              selector: {{ repositoryLocationName: "energy_platform", jobName: "{job}",
                           repositoryName: "__repository__" }},
              runConfigData: {orjson.dumps(orjson.dumps(config).decode()).decode()} }}) {{
              __typename ... on LaunchRunSuccess {{ run {{ id }} }}
              ... on PythonError {{ message }} }} }}"""
    ).values()
    assert told["__typename"] == "LaunchRunSuccess", told

    run_id = told["run"]["id"]
    over = {"SUCCESS", "FAILURE", "CANCELED"}
    wait_for(f"end of {job}", lambda: platform.run_status(run_id) in over, RUN_SECONDS)
    assert platform.run_status(run_id) == "SUCCESS"


def test_a_backfill_brings_the_past(platform: RunningPlatform) -> None:
    source = market_source(PAST)
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=60)
    start = end - timedelta(days=2)
    asked = {"source": PAST, "start": start.isoformat(), "end": end.isoformat()}
    run(platform, "backfill", {"ops": {"ask_for_the_past": {"config": asked}}})
    event_time = pl.col(source.event_time)
    rows = platform.stored(source).filter((event_time >= start) & (event_time < end))
    zones = rows.select(pl.struct(source.tags).n_unique()).item()
    assert zones > 1
    assert rows.height >= zones * 48


def test_the_marts_are_made(platform: RunningPlatform) -> None:
    run(platform, JOB, {})
    warehouse = platform.batches.warehouse
    empty = [
        name
        for name, mart in marts().items()
        if warehouse.scan(mart.table).select(pl.len()).collect().item() == 0
    ]
    assert empty == []
