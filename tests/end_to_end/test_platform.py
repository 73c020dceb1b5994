"""The whole platform on simulated markets: started, killed process by process, and held to account.

One test after another on one running platform, in the order of this file.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal
from redis import Redis

from energy_platform.formats.nord_pool_intraday import standing_orders
from energy_platform.hot_store.sqlite import SqliteHotStore
from energy_platform.market_source import MarketSource
from energy_platform.registry import market_source, market_sources
from energy_platform.settings import Settings
from energy_platform.simulator.journal import Journal
from energy_platform.simulator.providers.nord_pool.market import open_contracts
from energy_platform.status import SourceStatus, source_statuses
from energy_platform.stores import open_micro_batches
from energy_platform.supervision.supervisor import ProcessStatus, Supervisor
from energy_platform.tables import market_table, measurement
from energy_platform.warehouse.delta import DeltaWarehouse
from tests.support.comparison import compare, journalled_rows

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

START_SECONDS = 240.0
RECOVERY_SECONDS = 120.0
FREED_SECONDS = 20.0
QUIET_SECONDS = 40.0
"""How long nothing may land before the platform counts as at rest."""

SOURCES = sorted(market_sources())
"""Every source there is, by name."""

NEVER_OVERWRITTEN = {
    "dwd_mosmix_forecast", "dwd_wind_observation", "energy_charts_frequency",
    "met_office_forecast", "noaa_gfs_wind_forecast",
}  # fmt: skip
"""Sources that lose no revision between two looks, for their values stay where they are."""

PROCESSES = [
    "simulator", "broker", "collector", "code-server", "daemon", "webserver", "worker-1", "worker-2"
]  # fmt: skip


@dataclass
class Platform:
    """A platform that was started by `energy-platform up`."""

    home: Path
    process: subprocess.Popen[str]
    environment: dict[str, str]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_script(), *arguments], env=self.environment, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip

    def sources(self) -> dict[str, SourceStatus]:
        settings = Settings(home=self.home)
        statuses = source_statuses(settings, open_micro_batches(settings))
        return {one.name: one for one in statuses}

    def processes(self) -> dict[str, ProcessStatus]:
        return {one.name: one for one in Supervisor(self.home).statuses()}

    def pid(self, name: str) -> int:
        return self.processes()[name].pid

    def option(self, process: str, option: str) -> str:
        command = psutil.Process(self.pid(process)).cmdline()
        return command[command.index(option) + 1]

    def freeze(self) -> datetime:
        """Stop market time; return it."""
        port = self.option("simulator", "--http-port")
        answer = httpx.post(f"http://127.0.0.1:{port}/control/freeze").raise_for_status()
        return datetime.fromisoformat(answer.json()["market_time"])

    def query(self, graphql: str) -> Any:
        """Ask Dagster's UI server, once it is there."""
        url = f"http://127.0.0.1:{self.option('webserver', '--port')}/graphql"
        answers: list[Any] = []

        def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answers.append(httpx.post(url, json={"query": graphql}, timeout=30).json())
            return bool(answers)

        _wait_for("answer of the UI", answered, RECOVERY_SECONDS)
        assert "errors" not in answers[0], answers[0]
        return answers[0]["data"]

    def stored(self, source: MarketSource) -> pl.DataFrame:
        return DeltaWarehouse(self.home / "warehouse").scan(market_table(source)).collect()

    def journal(self) -> Journal:
        return Journal(self.home / "simulator" / "journal")


def _script() -> str:
    return str(Path(sys.executable).parent / "energy-platform")


def _wait_for(what: str, condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        time.sleep(0.5)


def _family(home: Path) -> list[psutil.Process]:
    """Return every process that runs on this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ENERGY_PLATFORM_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "ENERGY_PLATFORM_HOME": str(home)}
    with (home / "up.log").open("w") as output:
        process = subprocess.Popen(
            [_script(), "up"], env=environment, stdout=output, stderr=output, text=True
        )
    try:
        yield Platform(home, process, environment)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def test_every_source_flows_soon_after_the_start(platform: Platform) -> None:
    log = platform.home / "up.log"
    _wait_for("word of the UI", lambda: "Dagster UI: http://127.0.0.1" in log.read_text(),
              START_SECONDS)  # fmt: skip
    _wait_for("rows of every source", lambda: all(one.rows for one in platform.sources().values()),
              START_SECONDS)  # fmt: skip
    assert sorted(platform.sources()) == SOURCES


def test_the_command_line_shows_processes_and_sources(platform: Platform) -> None:
    answer = platform.command("status", "--json")
    assert answer.returncode == 0, answer.stderr
    status = json.loads(answer.stdout)
    assert {one["name"] for one in status["processes"]} == set(PROCESSES)
    assert {one["state"] for one in status["processes"]} == {"RUNNING"}
    assert sorted(one["name"] for one in status["sources"]) == SOURCES
    assert [one["name"] for one in status["sources"] if not one["rows"]] == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_reaches_both_stores(platform: Platform, name: str) -> None:
    source = market_source(name)
    assert platform.stored(source).height > 0
    hot = SqliteHotStore(platform.home / "hot.sqlite")
    _wait_for("hot points", lambda: hot.read(measurement(source)).height, RECOVERY_SECONDS)
    assert hot.latest(measurement(source)).height > 0


def test_dagster_shows_groups_lineage_and_metadata(platform: Platform) -> None:
    nodes = platform.query(
        """{ assetNodes { assetKey { path } groupName dependencyKeys { path }
             assetMaterializations(limit: 1) { metadataEntries { label } } } }"""
    )["assetNodes"]
    by_key = {"/".join(node["assetKey"]["path"]): node for node in nodes}
    for name in SOURCES:
        node = by_key[name]
        assert node["groupName"] == market_source(name).group
        assert node["dependencyKeys"] == [{"path": [f"{name}_landing"]}]
        assert by_key[f"{name}_landing"]["dependencyKeys"] == [{"path": [f"{name}_feed"]}]
        assert by_key[f"{name}_hot"]["dependencyKeys"] == [{"path": [name]}]
        labels = {e["label"] for e in node["assetMaterializations"][0]["metadataEntries"]}
        assert {"dagster/row_count", "lag_seconds", "landing_offsets"} <= labels


def test_all_checks_of_every_source_turn_green(platform: Platform) -> None:
    green: set[tuple[str, str]] = set()

    def all_green() -> bool:
        """Look at each check; one that is running just now is looked at again."""
        nodes = platform.query(
            """{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks {
                 name executionForLatestMaterialization { status } } } } } }"""
        )["assetNodes"]
        for node in nodes:
            for check in node["assetChecksOrError"].get("checks", []):
                execution = check["executionForLatestMaterialization"]
                status = execution["status"] if execution else "NONE"
                assert status in {"SUCCEEDED", "IN_PROGRESS", "NONE"}, (node["assetKey"], check)
                if status == "SUCCEEDED":
                    green.add((node["assetKey"]["path"][0], check["name"]))
        return green >= {
            (n, check) for n in SOURCES for check in ("rows_valid", "batch_parsed", "layout_known")
        }

    _wait_for("green checks", all_green, RECOVERY_SECONDS)


def test_a_bad_row_and_a_bad_message_are_quarantined_beside_good_ones(platform: Platform) -> None:
    port = platform.option("simulator", "--http-port")
    for kind in ("bad_row", "malformed"):
        httpx.post(
            f"http://127.0.0.1:{port}/control/faults",
            json={"source": "nord_pool_intraday_trade", "kind": kind},
        ).raise_for_status()

    def trades() -> SourceStatus:
        return platform.sources()["nord_pool_intraday_trade"]

    _wait_for("quarantine", lambda: trades().quarantined >= 2, RECOVERY_SECONDS)
    before = trades().rows
    _wait_for("trades after it", lambda: trades().rows > before, RECOVERY_SECONDS)


@pytest.mark.parametrize("names", [PROCESSES[:3], PROCESSES[3:6]], ids="+".join)
def test_killed_processes_come_back_and_data_flows_on(platform: Platform, names: list[str]) -> None:
    pids = {name: platform.pid(name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)

    def all_are_new() -> bool:
        return all(platform.pid(name) not in {0, pid} for name, pid in pids.items())

    _wait_for(f"new {' and '.join(names)}", all_are_new, RECOVERY_SECONDS)
    assert {platform.processes()[name].restarts for name in names} == {1}
    _wait_until_everything_fast_has_moved(platform)


def test_workers_killed_in_mid_run_free_their_group_within_seconds(platform: Platform) -> None:
    # Valkey's command line says where it listens, e.g. `valkey-server 127.0.0.1:41081`.
    address = psutil.Process(platform.pid("broker")).cmdline()[0]
    broker = Redis(port=int(address.rpartition(":")[2]), decode_responses=True)

    def status(run_id: str) -> str:
        answer = platform.query(
            f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
        )
        return str(answer["runOrError"]["status"])

    def kill_in_mid_run() -> set[str]:
        """Kill both workers while a run beats; return the runs that were under way."""
        pids = [platform.pid(name) for name in ("worker-1", "worker-2")]
        deadline = time.monotonic() + RECOVERY_SECONDS
        while not (beating := broker.keys("energy_platform:run:*")):
            assert time.monotonic() < deadline, "no run begins"
            time.sleep(0.01)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        runs = {str(key).rpartition(":")[2] for key in beating}
        return {run_id for run_id in runs if status(run_id) == "STARTED"}

    # A run may have come to its end between the look and the blow.
    caught: set[str] = set()
    for _ in range(10):
        if caught := kill_in_mid_run():
            break
        _wait_until_everything_fast_has_moved(platform)
    assert caught
    _wait_for("end", lambda: all(status(run_id) == "FAILURE" for run_id in caught), FREED_SECONDS)
    _wait_until_everything_fast_has_moved(platform)


def test_nothing_was_lost_and_nothing_stored_twice(platform: Platform) -> None:
    market_time = platform.freeze()
    frozen_at = datetime.now(UTC)
    _wait_until_quiet(platform)
    journal = platform.journal()
    for name in SOURCES:
        source = market_source(name)
        stored = platform.stored(source)
        found = compare(source, journal, stored)
        assert found.doubled == 0, name
        assert found.invented.is_empty(), (name, found.invented)
        if name == "nord_pool_intraday_order_book":
            # Deltas on their way to a killed collector are gone, on the real market too.
            emitted = journalled_rows(source, journal)
            assert_frame_equal(_book(stored, market_time), _book(emitted, market_time))
        else:
            # What a provider said since it was asked last is not there yet.
            every = getattr(source.feed, "every", timedelta())
            news = journalled_rows(source, journal).filter(
                pl.col("received_at") > frozen_at - every - timedelta(seconds=RECOVERY_SECONDS)
            )
            stale = found.stale.join(news, on=source.key, how="anti", nulls_equal=True)
            assert stale.is_empty(), (name, stale)
        if name in NEVER_OVERWRITTEN:
            assert found.lost.is_empty(), (name, found.lost)
        assert found.stored > 0


def test_the_hot_copy_agrees_with_the_warehouse(platform: Platform) -> None:
    hot = SqliteHotStore(platform.home / "hot.sqlite")
    # A day less than the hot store's days: the oldest are on their way out.
    since = datetime.now(UTC) - timedelta(days=Settings().hot_days - 1)
    for source in market_sources().values():
        recent = pl.col(source.event_time) >= since
        points = hot.read(measurement(source)).filter(recent)
        series = [*source.tags, source.event_time]
        stored = platform.stored(source).filter(recent).select(series).unique()
        assert points.height == stored.height, source.name


def test_ctrl_c_leaves_no_process_behind(platform: Platform) -> None:
    assert len(_family(platform.home)) > len(PROCESSES)
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(60) == 0
    assert _family(platform.home) == []


def _wait_until_everything_fast_has_moved(platform: Platform) -> None:
    """Wait until streams and seconds have been landed and stored anew."""
    fast = ("energy_charts_frequency", "nord_pool_intraday_order_book", "nord_pool_intraday_trade")

    def committed() -> dict[str, int]:
        sources = platform.sources()
        return {name: sources[name].committed_offset for name in fast}

    before = committed()
    _wait_for(
        "new data",
        lambda: all(now > before[name] for name, now in committed().items()),
        RECOVERY_SECONDS,
    )


def _book(events: pl.DataFrame, market_time: datetime) -> pl.DataFrame:
    """Return the orders that stand in the books that are open, in an order of their own."""
    columns = ["delivery_area_id", "contract_id", "side", "order_id", "price_eur_per_mwh"]
    still_open = pl.col("contract_id").is_in(open_contracts(market_time))
    standing = standing_orders(events.lazy()).filter(still_open).select(*columns, "volume_mw")
    return standing.collect().sort(columns)


def _wait_until_quiet(platform: Platform) -> None:
    """Wait until all that landed is stored, and nothing has landed for a while."""
    seen: dict[str, int] = {}
    since = time.monotonic()
    deadline = since + 300
    while time.monotonic() - since < QUIET_SECONDS:
        assert time.monotonic() < deadline, "the platform does not come to rest"
        time.sleep(1)
        sources = platform.sources().values()
        landed = {one.name: one.landed_offset for one in sources}
        behind = [one for one in sources if one.committed_offset < one.landed_offset]
        if landed != seen or behind:
            seen, since = landed, time.monotonic()
