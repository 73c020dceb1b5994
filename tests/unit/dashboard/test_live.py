"""A page is shown what the stores hold, misses nothing, and is told when it can't be sure."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from starlette.types import Message

from energy_platform.dashboard import channel, room, viewer
from energy_platform.dashboard.access.visitor import Role, Visitor, Way, let_in
from energy_platform.dashboard.server import app as dashboard
from energy_platform.errors import HotStoreUnavailableError
from energy_platform.market.registry import market_source
from energy_platform.operations.supervision.supervisor import ProcessStatus, Supervisor
from energy_platform.pipeline.hot_copy import HotCopies
from energy_platform.pipeline.tables import measurement
from tests.support.dashboard import PATIENCE_SECONDS, Desk, Page, Row
from tests.unit.dashboard.test_intraday import CONTRACT, order, send_book

SOURCE = "ceps_load"
"""A source whose hot points are its rows: one series per name, no revision numbers."""
FREQUENCY = "energy_charts_frequency"
TOPIC = f"source:{SOURCE}"
QUARTER = timedelta(minutes=15)
SECOND = timedelta(seconds=1)
NOON = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def load(mw: float, at: datetime = NOON) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "delivery_start": [at], "delivery_end": [at + QUARTER],
            "load_mw": [mw], "load_including_pumping_mw": [mw],
        }
    )  # fmt: skip


def frequency(hz: float, at: datetime) -> pl.DataFrame:
    return pl.DataFrame({"observed_at": [at], "region": ["DE-Freiburg"], "frequency_hz": [hz]})


def value(page: Page) -> object:
    return page.rows.get(TOPIC, {}).get(SOURCE, {}).get("load_mw")


def shows(page: Page, mw: float) -> bool:
    return value(page) == mw


def has(page: Page, topic: str, count: int) -> bool:
    return len(page.rows.get(topic, ())) == count


def test_a_page_gets_a_snapshot_and_then_each_change(desk: Desk) -> None:
    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        for mw in (51.0, 52.5):
            at = NOON + (mw - 50.0) * 2 * QUARTER
            desk.show(SOURCE, load(mw, at))
            page.until(partial(shows, page, mw))
        assert page.snapshots == {TOPIC: 1}
    source = market_source(SOURCE)
    held = desk.batches.hot_store.latest(measurement(source)).to_dicts()
    [row] = page.rows[TOPIC].values()
    assert [held[0][name] for name in source.fields] == [row[name] for name in source.fields]
    assert row["landing_offset"] == 2
    assert row["received_at"].endswith("Z")
    assert row["source"] == SOURCE


def test_a_snapshot_says_where_a_row_came_from_that_is_not_stored_yet(desk: Desk) -> None:
    topic, now = "frequency:CE", int(time.time())
    document = {"unix_seconds": [now], "data": [50.01], "deprecated": False}
    desk.receive(FREQUENCY, document, region="DE-Freiburg")
    assert desk.batches.is_behind(market_source(FREQUENCY))
    with desk.page(**{topic: None}) as page:
        page.until(lambda: topic in page.rows)
        [row] = page.rows[topic].values()
    assert (row["landing_offset"], row["received_at"][:4]) == (0, str(datetime.now(UTC).year))


def test_a_page_that_comes_back_gets_only_what_it_missed(desk: Desk) -> None:
    topic = "frequency:CE"
    now = datetime.now(UTC).replace(microsecond=0)
    desk.show(FREQUENCY, frequency(50.0, now))
    with desk.page(**{topic: None}) as page:
        page.until(partial(has, page, topic, 1))
    place = page.places[topic]
    with desk.page(**{topic: None}) as other:
        for second in range(1, 4):
            desk.show(FREQUENCY, frequency(50.0 + second / 100, now + second * SECOND))
            other.until(partial(has, other, topic, second + 1))
    with desk.page(**{topic: place}) as again:
        again.rows[topic] = {}
        again.until(lambda: len(again.rows[topic]) == 3)
        assert again.snapshots == {}
        assert {row["frequency_hz"] for row in again.rows[topic].values()} == {50.01, 50.02, 50.03}
        assert again.places[topic] == other.places[topic]


def test_a_server_that_was_restarted_begins_with_a_snapshot(desk: Desk) -> None:
    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
    place = page.places[TOPIC]
    desk.end_server()
    desk.show(SOURCE, load(51.0))
    desk.serve()
    with desk.page(**{TOPIC: place}) as again:
        again.until(lambda: value(again) == 51.0)
        assert again.snapshots == {TOPIC: 1}
        assert again.places[TOPIC]["e"] != place["e"]


@pytest.mark.parametrize("sequence", [10_000, 0])
def test_a_place_that_is_not_known_gives_a_snapshot(desk: Desk, sequence: int) -> None:
    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        with desk.page(**{TOPIC: {**page.places[TOPIC], "s": sequence}}) as other:
            other.rows[TOPIC] = {"stale": {"load_mw": 1.0}}
            other.until(lambda: value(other) == 50.0)


def test_a_bus_that_was_killed_is_told_and_what_it_did_not_carry_is_shown(desk: Desk) -> None:
    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        page.until(lambda: page.beats and not page.beats[-1]["behind"])
        desk.bus.kill()
        page.until(lambda: page.beats[-1]["behind"])
        assert "live bus" in page.beats[-1]["why"][0]
        # Nobody announces this, since the bus is down.
        desk.show(SOURCE, load(51.0))
        assert value(page) == 50.0
        desk.bus.start()
        page.until(lambda: value(page) == 51.0 and not page.beats[-1]["behind"])
        page.until(lambda: page.errors == {})
        assert page.snapshots == {TOPIC: 1}


def test_a_hot_store_that_is_away_is_told_and_nothing_false_is_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise HotStoreUnavailableError("no answer")

    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        with monkeypatch.context() as patch:
            patch.setattr(HotCopies, "reached", away)
            page.until(
                lambda: page.beats and "the hot store does not answer" in page.beats[-1]["why"]
            )
            page.open({"frequency:CE": None})
            page.until(lambda: page.errors.get("frequency:CE") == "no answer")
            assert "frequency:CE" not in page.rows
            assert value(page) == 50.0
        desk.show(SOURCE, load(51.0, NOON + QUARTER))
        page.until(lambda: value(page) == 51.0 and "frequency:CE" in page.rows)
        page.until(lambda: not page.beats[-1]["behind"])


def test_a_topic_that_did_not_change_is_well_again_once_the_stores_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are the same as before the outage, so only the reason has to go."""

    def away(*_: object) -> int:
        raise HotStoreUnavailableError("no answer")

    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        with monkeypatch.context() as patch:
            patch.setattr(HotCopies, "reached", away)
            desk.bus.kill()
            page.until(lambda: page.errors.get(TOPIC) == "no answer")
            with desk.page(**{TOPIC: None}) as other:
                other.until(lambda: other.errors.get(TOPIC) == "no answer")
                assert TOPIC not in other.rows
            assert value(page) == 50.0
        desk.bus.start()
        page.until(lambda: TOPIC not in page.errors)
        assert value(page) == 50.0


@pytest.mark.parametrize("state", ["STOPPED", "BACKOFF", "RUNNING"])
def test_a_process_that_carries_values_and_is_down_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    processes = [ProcessStatus("hot-lane", 1, state, 3), ProcessStatus("metrics", 0, "FATAL", 0)]
    monkeypatch.setattr(Supervisor, "statuses", lambda _: processes)
    with desk.page(processes=None) as page:
        page.until(lambda: page.rows.get("processes") and len(page.beats) > 3)
        assert page.rows["processes"]["hot-lane"]["state"] == state
        told = [] if state == "RUNNING" else [f"the hot-lane process is {state.lower()}"]
        assert page.beats[-1]["why"] == told


def test_a_reader_that_stalls_holds_few_messages_and_then_sees_the_newest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert viewer.CREDIT == 20
    # The beats use it up, one a second.
    monkeypatch.setattr(viewer, "CREDIT", 6)
    topic = "frequency:CE"
    now = datetime.now(UTC).replace(microsecond=0)
    desk.show(FREQUENCY, frequency(50.0, now))
    with desk.page(**{topic: None}) as page:
        page.until(lambda: page.rows.get(topic))
        page.acknowledges = False
        for second in range(1, 8):
            desk.show(FREQUENCY, frequency(50.0 + second / 100, now + second * SECOND))
            time.sleep(0.1)
        acknowledged = page.received
        deadline = time.monotonic() + viewer.CREDIT + 3
        while time.monotonic() < deadline and page.received < acknowledged + 2 * viewer.CREDIT:
            page.read(0.2)
        assert page.received <= acknowledged + viewer.CREDIT
        # Beats took the credit, so this one was not told.
        desk.show(FREQUENCY, frequency(50.5, now + 8 * SECOND))
        assert not page.read(1.5)
        page.acknowledges = True
        page.acknowledge()
        page.until(lambda: any(r["frequency_hz"] == 50.5 for r in page.rows[topic].values()))
        assert len(page.rows[topic]) == 9


def test_another_value_of_the_same_moment_is_marked(desk: Desk) -> None:
    desk.store(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        desk.store(SOURCE, load(49.0))
        page.until(lambda: value(page) == 49.0)
        row = page.rows[TOPIC][SOURCE]
        assert row["flags"] == ["revised"]
        assert row["was"] == {"load_mw": 50.0, "load_including_pumping_mw": 50.0}
        desk.store(SOURCE, load(48.0, NOON + QUARTER))
        page.until(lambda: value(page) == 48.0)
        assert "flags" not in page.rows[TOPIC][SOURCE]


def test_a_period_of_the_future_is_not_shown_as_what_holds_now(desk: Desk) -> None:
    now = datetime.now(UTC)
    begun = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    curve = pl.concat([load(50.0, begun), load(99.0, begun + 4 * QUARTER)])
    desk.show(SOURCE, curve)
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        desk.show(SOURCE, load(98.0, begun + 5 * QUARTER))
        page.until(lambda: len(page.beats) > 3)
        assert value(page) == 50.0


def test_an_older_row_that_comes_late_does_not_replace_the_newest(desk: Desk) -> None:
    desk.show(SOURCE, load(50.0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: value(page) == 50.0)
        desk.show(SOURCE, load(40.0, NOON - QUARTER))
        desk.show(SOURCE, load(50.0, NOON))
        page.until(lambda: len(page.beats) > 3)
        assert value(page) == 50.0


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("frequency:XX", "there is no topic 'frequency:XX'"),
        ("source:nothing", "unknown source 'nothing'"),
        ("status:more", "there is no topic"),
        ("", "there is no topic"),
    ],
)
def test_an_unknown_topic_is_said_to_be_unknown(desk: Desk, topic: str, said: str) -> None:
    with desk.page(**{topic: None}) as page:
        page.until(lambda: topic in page.errors)
        assert said in page.errors[topic]
        page.until(lambda: page.beats)


@pytest.mark.parametrize("sent", ["", "[]", '{"op":"fly"}', '{"op":"ack","n":-1}', "{" * 1000])
def test_what_is_no_message_closes_the_connection(desk: Desk, sent: str) -> None:
    with desk.page() as page:
        page.socket.send(sent)
        assert page.closed() == 1007


def test_more_topics_than_allowed_close_the_connection(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "MOST_TOPICS", 2)
    with desk.page(status=None, processes=None) as page:
        page.until(lambda: "status" in page.rows)
        page.open({"frequency:CE": None})
        assert page.closed() == 1008


def test_every_source_has_a_status_row(desk: Desk) -> None:
    desk.store(SOURCE, load(50.0))
    with desk.page(status=None) as page:
        page.until(lambda: page.rows.get("status"))
        row = page.rows["status"][SOURCE]
        assert (row["rows"], row["quarantined"], row["protocol"]) == (1, 0, "SOAP")
        assert row["dagster_url"] == f"/dagster/assets/{SOURCE}"
        assert row["last_received_at"].endswith("Z")


async def test_a_slow_reader_of_events_jumps_to_a_snapshot_and_is_told_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asker that does not read holds up its own answer alone, and few frames wait for it."""
    monkeypatch.setattr(viewer, "CREDIT", 4)
    monkeypatch.setattr(room, "KEPT_FRAMES", 3)
    desk = Desk(home, serves=False)
    told: list[Row] = []
    reads = asyncio.Event()
    reads.set()

    async def send(message: Message) -> None:
        lines = message.get("body", b"").decode().splitlines()
        data = [one.removeprefix("data: ") for one in lines if one.startswith("data: ")]
        told.extend(json.loads(one) for one in data)
        await reads.wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    def volumes() -> list[float]:
        return [one["rows"][0]["volume_mw"] for one in told if one.get("rows")]

    async def until(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.02)

    topic = f"book:DE-LU:{CONTRACT}"
    asker = Visitor(name="alice", role=Role.VIEWER, portfolios=(), way=Way.LOOPBACK)
    scope = {"type": "http", "method": "GET", "path": "/api/events", "headers": [],
             "query_string": f"topics={topic}".encode()}  # fmt: skip
    await asyncio.to_thread(send_book, desk, 1, buys=[order("a", 49.0, 1.0)], snapshot=True)
    served = dashboard(desk.settings)
    try:
        async with served.router.lifespan_context(served):
            answering = asyncio.create_task(served(let_in(scope, asker), receive, send))
            await until(volumes)
            reads.clear()
            await until(lambda: told[-1]["t"] == "beat")
            waited_since = len(told)
            for revision in range(2, 14):
                changed = [order("a", 49.0, float(revision))]
                await asyncio.to_thread(send_book, desk, revision, buys=changed)
                await asyncio.sleep(0.15)
            assert len(told) == waited_since, "nothing is sent while nothing is read"
            reads.set()
            await until(lambda: volumes()[-1] == 13.0)
            frames = [one for one in told[waited_since:] if one["t"] == topic]
            assert len(frames) <= viewer.CREDIT + 1, "what has changed comes, not what was missed"
            assert frames[-1]["snap"] == 1, "the jump is told"
            answering.cancel()
            await asyncio.wait([answering])
    finally:
        await asyncio.to_thread(desk.close)
