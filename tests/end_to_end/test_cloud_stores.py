"""The whole platform with BigQuery's emulator and InfluxDB as its stores, each killed in mid-flow.

The emulator is slow and forgets its write streams with each restart, which real BigQuery does not;
so this is a test of minutes, for the night, and of the adapters more than of BigQuery.
"""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from tests.support import bigquery_server, influx_server
from tests.support.accounts import accounts
from tests.support.bigquery_server import BigQueryServer
from tests.support.influx_server import InfluxProcess
from tests.support.running_platform import (
    RECOVERY_SECONDS,
    RunningPlatform,
    started,
    wait_for,
    wait_until_everything_fast_has_moved,
    wait_until_flowing,
)

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not influx_server.is_installed(), reason=influx_server.MISSING),
    pytest.mark.skipif(not bigquery_server.is_installed(), reason=bigquery_server.MISSING),
]


@dataclass
class Cloud:
    """A platform and its stores' servers."""

    platform: RunningPlatform
    bigquery: BigQueryServer
    influx: InfluxProcess


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("home", "bigquery", "influx")}
    with (
        bigquery_server.bigquery_server(folders["bigquery"]) as bigquery,
        influx_server.influx_process(folders["influx"]) as influx,
        started(folders["home"], bigquery.settings() | influx.settings()) as platform,
    ):
        yield Cloud(platform, bigquery, influx)


def test_every_source_flows(cloud: Cloud) -> None:
    wait_until_flowing(cloud.platform)


@pytest.mark.parametrize("killed", ["bigquery", "influx"])
def test_a_store_that_is_killed_and_comes_back_is_caught_up_with(cloud: Cloud, killed: str) -> None:
    server: BigQueryServer | InfluxProcess = getattr(cloud, killed)
    server.kill()
    server.start()
    wait_until_everything_fast_has_moved(cloud.platform)


def test_killed_workers_are_replaced(cloud: Cloud) -> None:
    pids = {name: cloud.platform.pid(name) for name in ("worker-1", "worker-2")}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    wait_for(
        "new workers",
        lambda: all(cloud.platform.pid(name) not in {0, pid} for name, pid in pids.items()),
        RECOVERY_SECONDS,
    )
    wait_until_everything_fast_has_moved(cloud.platform)


def test_nothing_was_lost_and_nothing_stored_twice(cloud: Cloud) -> None:
    for found in accounts(cloud.platform):
        name = found.source.name
        assert found.stored > 0, name
        assert found.doubled_at == [], name
        assert found.invented.is_empty(), (name, found.invented)
        assert found.lost.is_empty(), (name, found.lost)


def test_the_hot_copy_agrees_with_the_warehouse(cloud: Cloud) -> None:
    def as_many(source: MarketSource) -> bool:
        shown, points = cloud.platform.shown(source)
        return points.height == shown.height

    for source in market_sources().values():
        agree = partial(as_many, source)
        wait_for(f"agreement of both copies of {source.name}", agree, RECOVERY_SECONDS)
