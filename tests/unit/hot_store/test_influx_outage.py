"""InfluxDB goes away, is killed, comes back: the warehouse goes on, and the hot copy catches up."""

import contextlib
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
from energy_platform.pipeline.hot_copy import HOT_STORE
from energy_platform.pipeline.hot_lane.lane import HotLane, bring_up
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.tables import market_table
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
    return batches.hot_copies.reach(EXAMPLE, stored_to).behind


def run_batches(batches: MicroBatches) -> list[BatchReport]:
    """Run the micro-batches of all that landed, and not the hot lane."""
    reports = []
    while batches.is_behind(EXAMPLE):
        reports.append(batches.run(EXAMPLE))
    return reports


def eventually(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def test_an_outage_is_ridden_out_and_caught_up_with(
    own_influx: InfluxProcess, batches: MicroBatches, undisturbed: MicroBatches
) -> None:
    log, lane = an_eventful_log(30), HotLane(batches, EXAMPLE)
    land(undisturbed, log)
    run_all(undisturbed)
    land(batches, log[:10])
    lane.bring_up()
    own_influx.kill()
    for at in range(10, 30, 5):
        land(batches, log[at : at + 5])
        run_batches(batches)
        with pytest.raises(HotStoreUnavailableError, match="InfluxDB at http"):
            lane.step()
    assert "does not answer" in behind(batches)
    assert_frame_equal(stored(batches), stored(undisturbed))

    own_influx.start()
    eventually(lambda: behind(batches) == "20 messages behind the warehouse")
    lane.bring_up()
    assert_same(batches, undisturbed)
    assert behind(batches) == ""


def test_a_server_killed_at_any_moment_loses_nothing_and_leaves_nothing_stale(
    own_influx: InfluxProcess, batches: MicroBatches, undisturbed: MicroBatches
) -> None:
    log, ended = an_eventful_log(30), threading.Event()

    def work() -> None:
        lane = HotLane(batches, EXAMPLE)
        for number, message in enumerate(log):
            land(batches, [message])
            with contextlib.suppress(HotStoreUnavailableError):
                lane.bring_up()
            if number % 3 == 0:
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
    run_batches(batches)
    eventually(lambda: bring_up(batches, EXAMPLE) == "")
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
    run_all(batches)
    at = int((NOON + timedelta(minutes=15 * A_DAY_LATER)).timestamp()) * 1_000_000
    InfluxServer(own_influx.login(DATABASE), days=36_500, patience=QUICK).write(
        f'{EXAMPLE.name},bidding_zone=X price_eur_per_mwh="a text" {at}'.encode()
    )
    return batches


def test_a_refused_point_is_quarantined_once_and_its_row_stored(refusing: MicroBatches) -> None:
    news = [("CZ", 1, 2.0), ("CZ", A_DAY_LATER, 3.0), ("CZ", 2, 4.0)]
    land(refusing, [example_message(news)])
    # The lane may be ahead of the batch that stores the rows.
    assert bring_up(refusing, EXAMPLE) == ""
    [line] = quarantined(refusing).rows(named=True)
    assert (line["check"], line["landing_offset"]) == (HOT_STORE, 1)
    assert "field type conflict" in line["reason"]
    assert '"price_eur_per_mwh":3.0' in line["row"]
    assert hot(refusing)["price_eur_per_mwh"].to_list() == [1.0, 2.0, 4.0]
    report = refusing.run(EXAMPLE)
    assert (report.rows_new, report.quarantined.height) == (3, 0)
    assert stored(refusing)["price_eur_per_mwh"].to_list() == [1.0, 2.0, 4.0, 3.0]
    # It is tried again with the next write of the point, and told once.
    land(refusing, [example_message([("CZ", A_DAY_LATER, 3.0), ("CZ", 9, 9_999.0)])])
    run_all(refusing)
    assert quarantined(refusing)["check"].to_list()[0] == HOT_STORE
    assert quarantined(refusing)["landing_offset"].to_list() == [1, 2]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_lane_killed_around_its_offset_quarantines_once(
    refusing: MicroBatches, *, done: bool
) -> None:
    land(refusing, [example_message([("CZ", A_DAY_LATER, 3.0)])])
    dying: Any = Dying(refusing.hot_store, lambda name, _: name == "commit_offset", done)
    with pytest.raises(KilledError):
        bring_up(replace(refusing, hot_store=dying), EXAMPLE)
    assert quarantined(refusing).height == 1
    run_all(refusing)
    assert quarantined(refusing).height == 1
    assert behind(refusing) == ""
