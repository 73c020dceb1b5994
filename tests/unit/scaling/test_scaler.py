"""The scaler on a real socket, held to Google's discovery document; runs in a real Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from celery import Celery
from redis import Redis

from energy_platform.market.timeliness import Lateness
from energy_platform.operations.scaling.decision import (
    Load,
    Policy,
    collectors_wanted,
    workers_wanted,
)
from energy_platform.operations.scaling.load import (
    BrokerRuns,
    BrokerUnavailableError,
    LoadUnknownError,
    load_of,
)
from energy_platform.operations.scaling.pools import CloudRunPools, Pool, PoolsUnavailableError
from energy_platform.operations.scaling.service import Scaled, Scaler
from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.operations.supervision.ports import broker_socket
from tests.support.cloud_run import PREFIX, CloudRun, cloud_run
from tests.support.valkey_process import ValkeyProcess

IDLE = Load(backlog_messages=0, late_with_backlog=0, late_at_feed=0, waiting_runs=0, busy_workers=0)
BUSY = Load(
    backlog_messages=90_000, late_with_backlog=2, late_at_feed=4, waiting_runs=3, busy_workers=1
)


@pytest.fixture
def google() -> Iterator[CloudRun]:
    with cloud_run(worker=1, collector=1) as running:
        yield running
    assert not running.refused


def _pools(google: CloudRun) -> CloudRunPools:
    return CloudRunPools(PREFIX, requests.Session(), google.url)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Look:
    def __init__(self, load: Load) -> None:
        self.load: Load | Exception = load

    def __call__(self) -> Load:
        if isinstance(self.load, Exception):
            raise self.load
        return self.load


def _scaler(google: CloudRun, look: _Look, clock: _Clock) -> Scaler:
    policy = Policy(least=1, most=6, calm_seconds=600)
    return Scaler(
        _pools(google),
        look,
        {
            "worker": Scaled(
                policy, lambda load, n: workers_wanted(load, n, messages_per_worker=20_000)
            ),
            "collector": Scaled(policy, collectors_wanted),
        },
        clock,
    )


def _counts(google: CloudRun) -> dict[str, int]:
    return {name.removeprefix(PREFIX): count for name, count in google.counts.items()}


def test_load_is_met_and_calm_gives_one_up(google: CloudRun) -> None:
    look, clock = _Look(BUSY), _Clock()
    scaler = _scaler(google, look, clock)
    for _ in range(4):
        scaler.round()
        clock.now += 15
    assert _counts(google) == {"worker": 6, "collector": 5}
    look.load = IDLE
    for _ in range(41):
        scaler.round()
        clock.now += 15
    assert _counts(google) == {"worker": 5, "collector": 4}


def test_what_is_sent_changes_the_count_alone(google: CloudRun) -> None:
    _scaler(google, _Look(BUSY), _Clock()).round()
    sent = next(one for one in google.asked if one[0] == "PATCH")
    assert sent == (
        "PATCH",
        f"/v2/{PREFIX}worker?updateMask=scaling.manualInstanceCount",
        {"scaling": {"manualInstanceCount": 2}, "etag": '"0"'},
    )


def test_a_look_without_need_sends_nothing(google: CloudRun) -> None:
    _scaler(google, _Look(IDLE), _Clock()).round()
    assert {method for method, *_ in google.asked} == {"GET"}


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_an_outage_of_the_api_changes_nothing_and_ends_the_calm(
    google: CloudRun, status: int
) -> None:
    google.counts[PREFIX + "worker"] = 5
    look, clock = _Look(IDLE), _Clock()
    scaler = _scaler(google, look, clock)
    scaler.round()
    clock.now, google.outage = 300.0, status
    told = scaler.round()
    assert all(one.after is None and str(status) in one.trouble for one in told)
    clock.now, google.outage = 601.0, None
    scaler.round()
    assert _counts(google)["worker"] == 5
    clock.now = 1_202.0
    scaler.round()
    assert _counts(google)["worker"] == 4


def test_an_api_that_is_not_there_changes_nothing() -> None:
    with cloud_run(worker=3) as google:
        pass
    with pytest.raises(PoolsUnavailableError):
        _pools(google).read("worker")
    told = _scaler(google, _Look(BUSY), _Clock()).round()
    assert [one.after for one in told] == [None, None]


def test_an_unknown_load_changes_nothing(google: CloudRun) -> None:
    look, clock = _Look(IDLE), _Clock()
    scaler = _scaler(google, look, clock)
    google.counts[PREFIX + "worker"] = 5
    scaler.round()
    clock.now = 300.0
    look.load = BrokerUnavailableError("down")
    assert [one.trouble for one in scaler.round()] == ["down", "down"]
    clock.now = 700.0
    look.load = IDLE
    scaler.round()
    assert _counts(google)["worker"] == 5


def test_a_pool_that_somebody_deploys_meanwhile_is_left_to_them(google: CloudRun) -> None:
    pools = _pools(google)
    read = pools.read("worker")
    google.versions[PREFIX + "worker"] = 1
    with pytest.raises(PoolsUnavailableError, match="409"):
        pools.set_count(read, 4)
    assert _counts(google)["worker"] == 1


@pytest.mark.parametrize("said", [{}, {"scaling": {}}, {"scaling": {"manualInstanceCount": "x"}}])
def test_a_pool_that_does_not_say_its_count_is_left_alone(
    google: CloudRun, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google, "answer", lambda *_: (200, said))
    with pytest.raises(PoolsUnavailableError, match="does not say"):
        _pools(google).read("worker")


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("worker", {"scaling": {"maxInstanceCount": 3}}, "there is no .scaling.maxInstanceCount"),
        ("worker", {"scaling": {"manualInstanceCount": "3"}}, ".manualInstanceCount is no integer"),
        ("a/b", {"scaling": {"manualInstanceCount": 3}}, "names no worker pool"),
    ],
)
def test_the_document_is_held_to(name: str, body: Any, why: str) -> None:
    """The server refuses what the API does not have, so a wrong request can't pass here."""
    with cloud_run(worker=1) as google:
        answer = requests.patch(f"{google.url}/v2/{PREFIX}{name}", json=body, timeout=10)
        assert answer.status_code == 400
        assert why in google.refused[0]


def test_a_hidden_count_is_no_wish(google: CloudRun) -> None:
    """A count that was set by hand is brought into the bounds, and not further."""
    google.counts[PREFIX + "worker"] = 9
    _scaler(google, _Look(IDLE), _Clock()).round()
    assert _counts(google)["worker"] == 6


def test_runs_are_counted_as_celery_keeps_them(home: Path) -> None:
    valkey = ValkeyProcess(home, "broker", broker_socket(home))
    try:
        runs = BrokerRuns(valkey.url)
        assert (runs.waiting(), runs.busy_workers()) == (0, 0)
        app = Celery(broker=valkey.url.replace("unix://", "redis+socket://"))
        for priority in (0, 3, 5, 9):
            app.send_task("any", queue="dagster", priority=priority)
        with Redis.from_url(valkey.url) as broker:
            broker.set("energy_platform:worker:one", "taken")
            broker.set("energy_platform:worker:two", "free")
        assert (runs.waiting(), runs.busy_workers()) == (4, 1)
    finally:
        valkey.kill()
    with pytest.raises(BrokerUnavailableError):
        runs.waiting()
    with pytest.raises(BrokerUnavailableError):
        runs.busy_workers()


class _Runs:
    def waiting(self) -> int:
        return 2

    def busy_workers(self) -> int:
        return 1


def _source(name: str, state: SourceState, landed: int, stored: int, late: bool) -> SourceStatus:  # noqa: FBT001
    return SourceStatus(
        name=name, protocol="REST", group="grid", expected_lag_seconds=60.0, is_daily=False,
        rows_lately=0, refused_lately=0, quarantine_rate=None, drift=(), detail="",
        landed_offset=landed, committed_offset=stored, state=state,
        late=Lateness(datetime(2026, 1, 1, tzinfo=UTC), "rows") if late else None,
    )  # fmt: skip


def test_load_counts_what_more_instances_could_do() -> None:
    load = load_of(
        [
            _source("behind", SourceState.LATE, 1_000, 400, late=True),
            _source("flowing", SourceState.FLOWING, 10, 5, late=False),
            _source("late_at_feed", SourceState.LATE, 7, 7, late=True),
            _source("fenced", SourceState.FENCED, 7, 7, late=True),
            _source("blocked", SourceState.BLOCKED, 9_000, 0, late=True),
            _source("unknown", SourceState.UNKNOWN, 9_000, 0, late=False),
        ],
        _Runs(),
    )
    assert load == Load(
        backlog_messages=605, late_with_backlog=1, late_at_feed=1, waiting_runs=2, busy_workers=1
    )


def test_a_warehouse_that_is_down_is_no_calm() -> None:
    sources = [_source(str(n), SourceState.UNKNOWN, 0, 0, late=False) for n in range(3)]
    with pytest.raises(LoadUnknownError):
        load_of([*sources, _source("one", SourceState.FLOWING, 1, 1, late=False)], _Runs())


def test_a_pool_is_what_was_read(google: CloudRun) -> None:
    assert _pools(google).read("collector") == Pool("collector", 1, '"0"')
