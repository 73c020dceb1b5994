"""The whole platform on simulated markets: started, killed process by process, and held to account.

One test after another on one running platform, in the order of this file.
"""

import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import polars as pl
import psutil
import pytest

from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.market.registry import market_source, market_sources
from energy_platform.operations.live_bus import live_bus_status
from energy_platform.operations.status import SourceStatus
from energy_platform.pipeline.layouts.watch import drift
from energy_platform.pipeline.tables import measurement
from energy_platform.signals.speaking import NO_MODEL
from energy_platform.storage.landing import LandingZone
from simulator.world import ADDRESSES_NAME
from tests.support.accounts import accounts
from tests.support.bounds_table import has_a_bound
from tests.support.environment import UNUSUAL_HOME
from tests.support.follow_command import Follower, following
from tests.support.running_platform import (
    RECOVERY_SECONDS,
    RunningPlatform,
    family,
    prompt_seconds,
    started,
    wait_for,
    wait_until_everything_fast_has_moved,
    wait_until_flowing,
)

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1200)]

FREED_SECONDS = 20.0

OF_OTHERS = 0o077
"""Every right of a file's group and of all other users."""

SOURCES = sorted(market_sources())
"""Every source there is, by name."""

PROCESSES = [
    "simulator", "broker", "live-bus", "webserver", "collector", "hot-lane", "code-server",
    "daemon", "worker-1", "worker-2", "dashboard", "metrics",
]  # fmt: skip
"""All processes: the first four are killed at once, then the next four. The simulator comes back
on other ports while the collector runs on.
"""


FOLLOWED = [
    "nord_pool_intraday_trade", "energy_charts_frequency", "elexon_generation", "entsoe_load",
]  # fmt: skip
"""Sources that a follower of the live bus follows all the time."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with started(tmp_path_factory.mktemp("platform") / UNUSUAL_HOME) as running:
        yield running


@pytest.fixture(scope="module")
def follower(platform: RunningPlatform) -> Iterator[Follower]:
    with following(platform, FOLLOWED) as begun:
        yield begun


def test_every_source_flows_soon_after_the_start(platform: RunningPlatform) -> None:
    wait_until_flowing(platform)
    assert sorted(platform.sources()) == SOURCES


def test_the_command_line_shows_processes_and_sources(platform: RunningPlatform) -> None:
    answer = platform.command("status", "--json")
    assert answer.returncode == 0, answer.stderr
    status = json.loads(answer.stdout)
    assert {one["name"] for one in status["processes"]} == set(PROCESSES)
    assert {one["state"] for one in status["processes"]} == {"RUNNING"}
    assert sorted(one["name"] for one in status["sources"]) == SOURCES
    assert [one["name"] for one in status["sources"] if not one["rows"]] == []


def test_no_other_user_of_the_machine_can_read_the_home(platform: RunningPlatform) -> None:
    assert platform.home.stat().st_mode & OF_OTHERS == 0
    open_to_others = [
        path
        for path in platform.home.rglob("*")
        if not path.is_symlink() and _mode(path) & OF_OTHERS
    ]
    by_these_tests = {"up.log", "landing", "landing_is_simulated"}
    assert {path.relative_to(platform.home).as_posix() for path in open_to_others} <= by_these_tests


def test_everything_in_the_home_has_a_bound(platform: RunningPlatform) -> None:
    by_these_tests = {"up.log"}
    entries = {path.name for path in platform.home.iterdir()} - by_these_tests
    assert {name for name in entries if not has_a_bound(name)} == set()


def test_only_these_processes_have_ports_and_none_answers_a_page(
    platform: RunningPlatform,
) -> None:
    names = {one.pid: name for name, one in platform.processes().items()}
    ports: dict[str, set[int]] = {}
    for process in family(platform.home):
        with suppress(psutil.Error):
            owner = next((names[one.pid] for one in [process, *process.parents()]
                          if one.pid in names), process.name())  # fmt: skip
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    assert one.laddr.ip == "127.0.0.1", owner
                    ports.setdefault(owner, set()).add(one.laddr.port)
    # The collector listens for notifications, which are signed.
    assert set(ports) == {"dashboard", "metrics", "simulator", "collector"}
    stand_ins = json.loads((platform.home / "simulator" / ADDRESSES_NAME).read_bytes()).values()
    ftp = {urlsplit(one).port for one in stand_ins if urlsplit(one).scheme.startswith("ftp")}
    for name, found in ports.items():
        for port in found - ftp:
            for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                assert not _is_answered(port, headers), (name, port, headers)
    [dashboard], [metrics] = ports["dashboard"], ports["metrics"]
    assert httpx.get(f"http://127.0.0.1:{dashboard}/api/catalogue", timeout=60).is_success
    assert httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=60).is_success


def _is_answered(port: int, headers: dict[str, str]) -> bool:
    """Return whether a port takes a change that a page sends, or shows a rebound name anything."""
    asked = [("POST", path) for path in ("/", "/control/freeze", "/api/alarms/seen")]
    if "Host" in headers:
        asked += [("GET", path) for path in ("/", "/metrics", "/api/catalogue", "/control/state")]
    for method, path in asked:
        with suppress(httpx.NetworkError, httpx.ProtocolError):  # a port of a passing FTP transfer
            answer = httpx.request(
                method, f"http://127.0.0.1:{port}{path}", headers=headers, content=b"{}", timeout=60
            )
            if answer.is_success:
                return True
    return False


def test_no_password_is_in_a_command_or_a_log(platform: RunningPlatform) -> None:
    private = [*(platform.home / "run").glob("*.conf"), *(platform.home / "run").glob("*.url")]
    passwords = {
        found
        for file in private
        for found in re.findall(r"(?:>|//\w+:)([\w-]{40,})", file.read_text())
    }
    assert len(passwords) == 4
    told = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    told += [log.read_text(errors="replace") for log in (platform.home / "logs").iterdir()]
    told.append(json.dumps(platform.query("{ instance { info } }")))
    assert [one for one in passwords if any(one in text for text in told)] == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_reaches_both_stores(platform: RunningPlatform, name: str) -> None:
    source = market_source(name)
    assert platform.stored(source).height > 0
    wanted, _ = platform.shown(source)
    if wanted.is_empty() and name == "trading_signal":
        assert set(platform.stored(source)["silent_because"]) == {NO_MODEL}
        return
    if wanted.is_empty():
        # Of a source without a model its test cases are played back: their dates may be long ago.
        assert name in SimulatedMarket(platform.settings.simulator_folder).played_back()
        return
    wait_for("hot points", lambda: platform.hot(source).height, RECOVERY_SECONDS)

    def what_holds_is_latest() -> bool:
        """Of a forecast whose first steps came out before the start, nothing may hold yet."""
        now = datetime.now(UTC)
        holds = platform.hot(source).filter(pl.col(source.event_time) <= now).height > 0
        latest = platform.batches.hot_store.latest(measurement(source), at=now)
        return (latest.height > 0) == holds

    wait_for("latest points", what_holds_is_latest, RECOVERY_SECONDS)


def test_a_follower_begins(follower: Follower) -> None:
    """It goes on through all that follows, and must have missed nothing at the end."""
    assert follower.process.poll() is None


def test_dagster_shows_groups_lineage_and_metadata(platform: RunningPlatform) -> None:
    nodes = platform.query(
        """{ assetNodes { assetKey { path } groupName dependencyKeys { path }
             assetMaterializations(limit: 1) { metadataEntries { label } } } }"""
    )["assetNodes"]
    by_key = {"/".join(node["assetKey"]["path"]): node for node in nodes}
    for name in SOURCES:
        node = by_key[name]
        assert node["groupName"] == market_source(name).group
        assert node["dependencyKeys"] == [{"path": [f"{name}_landing"]}]
        assert by_key[f"{name}_landing"]["dependencyKeys"] == []
        assert by_key[f"{name}_hot"]["dependencyKeys"] == [{"path": [f"{name}_landing"]}]
        labels = {e["label"] for e in node["assetMaterializations"][0]["metadataEntries"]}
        assert {"dagster/row_count", "lag_seconds", "landing_offsets"} <= labels


def test_all_checks_of_every_source_turn_green(platform: RunningPlatform) -> None:
    green: set[tuple[str, str]] = set()

    def all_green() -> bool:
        """Look at each check; one that is running just now is looked at again.

        Of one whose run ends between Dagster's two looks, at the check and at the run, it says that
        it was skipped.
        """
        nodes = platform.query(
            """{ assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks {
                 name executionForLatestMaterialization { status } } } } } }"""
        )["assetNodes"]
        for node in nodes:
            for check in node["assetChecksOrError"].get("checks", []):
                execution = check["executionForLatestMaterialization"]
                status = execution["status"] if execution else "NONE"
                known = {"SUCCEEDED", "IN_PROGRESS", "SKIPPED", "NONE"}
                assert status in known, (node["assetKey"], check)
                if status == "SUCCEEDED":
                    green.add((node["assetKey"]["path"][0], check["name"]))
        return green >= {
            (n, check) for n in SOURCES for check in ("rows_valid", "batch_parsed", "layout_known")
        }

    wait_for("green checks", all_green, RECOVERY_SECONDS)


@pytest.mark.parametrize("names", [PROCESSES[:4], PROCESSES[4:8]], ids="+".join)
def test_killed_processes_come_back_and_data_flows_on(
    platform: RunningPlatform, names: list[str]
) -> None:
    pids = {name: platform.pid(name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)

    def all_are_new() -> bool:
        return all(platform.pid(name) not in {0, pid} for name, pid in pids.items())

    wait_for(f"new {' and '.join(names)}", all_are_new, RECOVERY_SECONDS)
    assert {platform.processes()[name].restarts for name in names} == {1}
    wait_until_everything_fast_has_moved(platform)


def test_a_live_bus_that_hangs_holds_nothing_up(
    platform: RunningPlatform, follower: Follower
) -> None:
    pid = platform.pid("live-bus")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until_everything_fast_has_moved(platform)
        status = live_bus_status(platform.settings)
        assert status is not None
        assert not status.is_up
        assert status.failures > 0
    finally:
        os.kill(pid, signal.SIGCONT)
    assert platform.pid("live-bus") == pid
    assert follower.process.poll() is None


@pytest.mark.parametrize("step", [1, -1], ids=["oldest first", "newest first"])
def test_no_message_is_a_drift_whichever_came_first(
    platform: RunningPlatform, tmp_path: Path, step: int
) -> None:
    notes = LandingZone.open(tmp_path.as_uri()).notes
    for name in SOURCES:
        log = platform.batches.landing.log(name)
        messages = log.read(0, min(log.end_offset(), 100))
        for message in messages[::step]:
            assert drift(notes, market_source(name), [message]) == (), (name, message.context)


def test_a_bad_row_and_a_bad_message_are_quarantined_beside_good_ones(
    platform: RunningPlatform,
) -> None:
    for kind in ("bad_row", "malformed"):
        platform.ask_fault("nord_pool_intraday_trade", kind)

    def trades() -> SourceStatus:
        return platform.sources()["nord_pool_intraday_trade"]

    wait_for("quarantine", lambda: (trades().quarantined or 0) >= 2, RECOVERY_SECONDS)
    before = trades().rows or 0
    wait_for("trades after it", lambda: (trades().rows or 0) > before, RECOVERY_SECONDS)


def test_workers_killed_in_mid_run_free_their_group_within_seconds(
    platform: RunningPlatform,
) -> None:
    runs = platform.home / "dagster" / "history" / "runs.db"

    def runs_that_are(status: str) -> set[str]:
        with closing(sqlite3.connect(f"{runs.as_uri()}?mode=ro", uri=True)) as connection:
            return {
                run_id
                for [run_id] in connection.execute(
                    "SELECT run_id FROM runs WHERE status = ?", [status]
                )
            }

    def kill_in_mid_run() -> set[str]:
        """Kill both workers while a run is under way; return the runs that did not end before."""
        pids = [platform.pid(name) for name in ("worker-1", "worker-2")]
        deadline = time.monotonic() + RECOVERY_SECONDS
        while not (under_way := runs_that_are("STARTED")):
            assert time.monotonic() < deadline, "no run begins"
            time.sleep(0.002)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return {run_id for run_id in under_way if platform.run_status(run_id) == "STARTED"}

    # A run may have come to its end between the look and the blow.
    caught: set[str] = set()
    for _ in range(10):
        if caught := kill_in_mid_run():
            break
        wait_until_everything_fast_has_moved(platform)
    assert caught
    # A worker may have taken a task and not begun; whoever has come back takes those that wait.
    starting = runs_that_are("STARTING")
    wait_for(
        "end",
        lambda: (
            all(platform.run_status(run_id) == "FAILURE" for run_id in caught)
            and all(platform.run_status(run_id) != "STARTING" for run_id in starting)
        ),
        FREED_SECONDS,
    )
    wait_until_everything_fast_has_moved(platform)


def test_nothing_was_lost_and_nothing_stored_twice(platform: RunningPlatform) -> None:
    for found in accounts(platform):
        name = found.source.name
        assert found.stored > 0, name
        assert found.doubled_at == [], name
        assert found.invented.is_empty(), (name, found.invented)
        assert found.lost.is_empty(), (name, found.lost)


def test_the_hot_copy_agrees_with_the_warehouse(platform: RunningPlatform) -> None:
    """A feed may be in the middle of a long round, so a batch may follow its hot points."""
    for source in market_sources().values():
        agree = partial(platform.agrees, source)
        wait_for(f"agreement of both copies of {source.name}", agree, RECOVERY_SECONDS)


def test_the_follower_missed_nothing_while_the_bus_was_killed_and_hung(
    platform: RunningPlatform, follower: Follower
) -> None:
    def missing() -> pl.DataFrame:
        return pl.concat(
            follower.missing(market_source(name), platform.stored(market_source(name)))
            for name in FOLLOWED
        )

    # The lane says how far a quiet source is once a minute.
    wait_for("rows at the follower", lambda: missing().is_empty(), RECOVERY_SECONDS)
    kinds = {(update["source"], update["kind"]) for update in follower.updates()}
    assert {kind for _, kind in kinds} == {"rows", "snapshot"}
    assert {source for source, kind in kinds if kind == "snapshot"} == set(FOLLOWED)
    assert follower.stop() == (130, "")


def test_ctrl_c_leaves_no_process_behind(platform: RunningPlatform) -> None:
    wait_for("all processes", lambda: len(family(platform.home)) > len(PROCESSES), RECOVERY_SECONDS)
    allowed, asked = prompt_seconds(), time.monotonic()
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(60) == 0
    assert time.monotonic() - asked < allowed
    assert family(platform.home) == []


def _mode(path: Path) -> int:
    """Return a file's mode; 0 if it has been deleted meanwhile."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0
