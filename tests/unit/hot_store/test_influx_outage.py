"""InfluxDB goes away, is killed, comes back: the warehouse goes on, and the hot copy catches up."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.pipeline import hot_copy
from energy_platform.pipeline.hot_copy import HOT_STORE
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.storage.hot_store.influxdb import store as influx_store_module
from energy_platform.storage.hot_store.influxdb.server import InfluxServer
from tests.support.hot_points import PRICES, point, points
from tests.support.influx_server import QUICK, InfluxProcess, influx_process
from tests.support.sources import EXAMPLE, NOON, an_eventful_log, example_message
from tests.support.stores import (
    Dying,
    KilledError,
    assert_same,
    batches_in,
    hot,
    land,
    quarantined,
    run_all,
    stored,
)

DATABASE = "energy"


@pytest.fixture
def own_influx(
    influx: InfluxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InfluxProcess]:
    """A server of the test's own, to be killed."""
    with influx_process(tmp_path_factory.mktemp("own_influxdb")) as process:
        yield process


@pytest.fixture
def batches(own_influx: InfluxProcess, tmp_path: Path) -> MicroBatches:
    return replace(
        batches_in(tmp_path / "influxdb", batch_messages=2),
        hot_store=own_influx.store(DATABASE, locks=tmp_path / "locks"),
    )


@pytest.fixture
def undisturbed(tmp_path: Path) -> MicroBatches:
    """The same with a hot store that is never away."""
    return batches_in(tmp_path / "sqlite", batch_messages=2)


def behind(batches: MicroBatches) -> str:
    stored_to = batches.warehouse.committed_offset(market_table(EXAMPLE))
    return batches.hot_copies.behind(EXAMPLE, stored_to)


def eventually(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_an_outage_is_ridden_out_and_caught_up_with(
    own_influx: InfluxProcess, batches: MicroBatches, undisturbed: MicroBatches
) -> None:
    log = an_eventful_log(30)
    for each in (batches, undisturbed):
        land(each, log[:10])
        reports = run_all(each)
        assert {report.hot_copy_behind for report in reports} == {""}
    own_influx.kill()
    for at in range(10, 30, 5):
        land(batches, log[at : at + 5])
        reports = run_all(batches)
        assert len(reports) == 3
        assert all("InfluxDB at http" in report.hot_copy_behind for report in reports)
    assert "does not answer" in behind(batches)
    # There is nothing that a run could do now, so none is asked for.
    assert not batches.is_behind(EXAMPLE)
    land(undisturbed, log[10:])
    run_all(undisturbed)
    assert_frame_equal(stored(batches), stored(undisturbed))

    own_influx.start()
    eventually(lambda: batches.is_behind(EXAMPLE))
    assert behind(batches) == "20 messages behind the warehouse"
    report = batches.run(EXAMPLE)
    assert (report.messages, report.hot_copy_behind) == (0, "")
    assert_same(batches, undisturbed)
    assert behind(batches) == ""


def test_a_server_killed_at_any_moment_loses_nothing_and_leaves_nothing_stale(
    own_influx: InfluxProcess, batches: MicroBatches, undisturbed: MicroBatches
) -> None:
    log, ended = an_eventful_log(30), threading.Event()

    def work() -> None:
        for message in log:
            land(batches, [message])
            batches.run(EXAMPLE)
        ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    kills = 0
    while not ended.wait(0.4):
        own_influx.kill()
        kills += 1
        time.sleep(0.2)
        own_influx.start()
    worker.join()
    assert kills > 0
    eventually(lambda: run_all(batches)[-1].hot_copy_behind == "")
    land(undisturbed, log)
    run_all(undisturbed)
    assert_same(batches, undisturbed)


def test_a_write_of_many_requests_is_killed_half_way_and_written_again(
    own_influx: InfluxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_store_module, "_REQUEST_LINES", 20)
    store = own_influx.store(DATABASE, locks=tmp_path)
    many = points(*(point(n, trades=n) for n in range(2_000)))
    killer = threading.Timer(0.15, own_influx.kill)
    store.write(PRICES, points(point(zone="first", trades=0)), stop=1)
    killer.start()
    eventually(lambda: not _answers(lambda: store.write(PRICES, many, stop=2)))
    killer.join()
    own_influx.start()
    eventually(lambda: _answers(lambda: store.committed_offset(PRICES)))
    assert store.committed_offset(PRICES) == 0
    store.write(PRICES, many, stop=2)
    assert store.read(PRICES).filter(bidding_zone="CZ").equals(many)


def _answers(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except HotStoreUnavailableError:
        return False
    return True


def test_a_copy_far_behind_is_brought_up_in_pieces(
    own_influx: InfluxProcess,
    batches: MicroBatches,
    undisturbed: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hot_copy, "_CATCH_UP_ROWS", 3)
    monkeypatch.setattr(hot_copy, "_CATCH_UP", timedelta())
    own_influx.kill()
    log = an_eventful_log(12)
    for each in (batches, undisturbed):
        land(each, log)
        run_all(each)
    own_influx.start()
    eventually(lambda: batches.is_behind(EXAMPLE))
    reached = [batches.hot_store.committed_offset(measurement(EXAMPLE))]
    while batches.is_behind(EXAMPLE):
        report = batches.run(EXAMPLE)
        reached.append(batches.hot_store.committed_offset(measurement(EXAMPLE)))
        assert report.hot_copy_behind == (
            f"{12 - reached[-1]} messages behind the warehouse" if reached[-1] < 12 else ""
        )
    assert reached == sorted(set(reached))
    assert len(reached) > 3
    assert_same(batches, undisturbed)


def test_a_replay_waits_for_a_hot_store_that_is_away(
    own_influx: InfluxProcess, batches: MicroBatches, undisturbed: MicroBatches
) -> None:
    for each in (batches, undisturbed):
        land(each, an_eventful_log(10))
        run_all(each)
    own_influx.kill()
    with pytest.raises(HotStoreUnavailableError):
        replay(batches, EXAMPLE, start=0)
    own_influx.start()
    eventually(lambda: _answers(lambda: replay(batches, EXAMPLE, start=0)))
    assert_same(batches, undisturbed)


# What the server refuses goes where all goes that is refused.

A_DAY_LATER = 96


@pytest.fixture
def refusing(batches: MicroBatches, own_influx: InfluxProcess) -> MicroBatches:
    """A server that holds the field as a text, on the day after the first."""
    land(batches, [example_message([("CZ", 0, 1.0)])])
    batches.run(EXAMPLE)
    at = int((NOON + timedelta(minutes=15 * A_DAY_LATER)).timestamp()) * 1_000_000
    InfluxServer(own_influx.login(DATABASE), days=36_500, patience=QUICK).write(
        f'{EXAMPLE.name},bidding_zone=X price_eur_per_mwh="a text" {at}'.encode()
    )
    return batches


def test_a_refused_point_is_quarantined_once_and_its_row_stored(refusing: MicroBatches) -> None:
    news = [("CZ", 1, 2.0), ("CZ", A_DAY_LATER, 3.0), ("CZ", 2, 4.0)]
    land(refusing, [example_message(news)])
    report = refusing.run(EXAMPLE)
    assert (report.rows_new, report.hot_copy_behind) == (3, "")
    [line] = report.quarantined.rows(named=True)
    assert (line["check"], line["landing_offset"]) == (HOT_STORE, 1)
    assert "field type conflict" in line["reason"]
    assert '"price_eur_per_mwh":3.0' in line["row"]
    assert hot(refusing)["price_eur_per_mwh"].to_list() == [1.0, 2.0, 4.0]
    assert stored(refusing)["price_eur_per_mwh"].to_list() == [1.0, 2.0, 4.0, 3.0]
    assert not refusing.is_behind(EXAMPLE)
    # It is tried again with the next write of the point, and told once.
    land(refusing, [example_message([("CZ", A_DAY_LATER, 3.0), ("CZ", 9, 9_999.0)])])
    refusing.run(EXAMPLE)
    assert quarantined(refusing)["check"].to_list()[0] == HOT_STORE
    assert quarantined(refusing)["landing_offset"].to_list() == [1, 2]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_batch_killed_around_its_offset_quarantines_once(
    refusing: MicroBatches, *, done: bool
) -> None:
    land(refusing, [example_message([("CZ", A_DAY_LATER, 3.0)])])
    dying: Any = Dying(refusing.hot_store, lambda name, _: name == "commit_offset", done)
    with pytest.raises(KilledError):
        replace(refusing, hot_store=dying).run(EXAMPLE)
    assert quarantined(refusing).height == 1
    run_all(refusing)
    assert quarantined(refusing).height == 1
    assert behind(refusing) == ""


def test_points_older_than_the_days_are_left_out_and_counted(batches: MicroBatches) -> None:
    land(batches, [example_message([("CZ", 0, 1.0), ("CZ", 1, 2.0)])])
    report = replace(batches, hot_days=1).run(EXAMPLE)
    assert report.hot_points_too_old == 2
    assert report.quarantined.is_empty()
    assert hot(batches).is_empty()
    assert stored(batches).height == 2
    assert not batches.is_behind(EXAMPLE)
