"""The history says what each batch did, for ninety days, in a file of bounded size."""

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.market.instants import microseconds
from energy_platform.operations import batch_history
from energy_platform.operations.batch_history import (
    EACH_BATCH_KEPT,
    KEPT,
    SCHEMA,
    BatchHistory,
    SourceLately,
    by_source,
)
from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.pipeline.parsing import LOST
from energy_platform.settings import StatePlace

NOW = datetime(2026, 3, 29, 12, 30, tzinfo=UTC)
SUMMED = NOW - EACH_BATCH_KEPT - timedelta(hours=2)
"""An instant whose batches are summed by the hour."""


class Clock:
    """What the history takes for the time."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return microseconds(self.at)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batch_history, "_now", clock)
    return clock


@pytest.fixture
def history(place: StatePlace) -> BatchHistory:
    return BatchHistory(place)


REPORT = BatchReport(
    source="smard_price",
    start=10,
    stop=13,
    rows_parsed=90,
    rows_new=40,
    quarantined=pl.DataFrame({"landing_offset": [11, 12], "check": ["parse", "price"]}),
    unparsed=1,
    last_received_at=NOW,
    drift=(),
    seconds=0.25,
)


def test_a_batch_is_a_line(history: BatchHistory, clock: Clock) -> None:
    assert history.lines(since=NOW - KEPT).schema == pl.Schema(SCHEMA)
    assert not history._tables.is_begun(), "reading makes nothing"
    history.add(replace(REPORT, drift=("a", "b")))
    assert history.lines(since=NOW - KEPT).to_dicts() == [
        {
            "finished_at": NOW, "source": "smard_price", "batches": 1, "failed": 0,
            "start_offset": 10, "stop_offset": 13, "messages": 3, "rows_parsed": 90,
            "rows_new": 40, "quarantined": 2, "seconds": 0.25, "drift": "a; b",
            "error": None,
        }
    ]  # fmt: skip


def test_a_batch_without_messages_is_no_line(history: BatchHistory) -> None:
    history.add(replace(REPORT, stop=REPORT.start))
    assert history.lines(since=NOW - KEPT).is_empty()


def test_lines_are_found_by_source_and_time(history: BatchHistory, clock: Clock) -> None:
    for minute, source in enumerate(["smard_price", "ceps_load", "smard_price"]):
        clock.at = NOW + timedelta(minutes=minute)
        history.add(replace(REPORT, source=source))
    found = history.lines("smard_price", since=NOW + timedelta(minutes=1))
    assert found["finished_at"].to_list() == [NOW + timedelta(minutes=2)]
    assert history.lines(since=NOW + timedelta(minutes=1))["source"].to_list() == [
        "ceps_load", "smard_price"
    ]  # fmt: skip


def test_a_failure_is_a_line_and_the_source_waits_longer_each_time(
    history: BatchHistory, clock: Clock
) -> None:
    assert history.pausing() == frozenset()
    pauses = []
    for failures in (1, 2, 3, 30):
        while history.lately().get("smard_price", SourceLately()).failures < failures:
            history.add_failure("smard_price", OSError("no such file\nin no folder"))
            clock.at += timedelta(microseconds=1)
        began = clock.at
        while "smard_price" in history.pausing():
            clock.at += timedelta(seconds=1)
        pauses.append((clock.at - began).total_seconds())
    for pause, longest in zip(pauses, (10, 20, 40, 60), strict=True):
        assert longest / 2 <= pause <= longest + 1
    assert history.lately()["smard_price"].error == "OSError: no such file"
    last = history.lines(since=NOW)[-1].to_dicts()[0]
    assert (last["batches"], last["failed"], last["start_offset"]) == (0, 1, None)
    assert last["error"] == "OSError: no such file"
    history.add_failure("ceps_load", ValueError("x"))
    assert history.pausing() == {"ceps_load"}
    history.add(REPORT)
    told = history.lately()["smard_price"]
    assert (told.failures, told.error) == (0, "")


def test_lately_is_the_last_hour(history: BatchHistory, clock: Clock) -> None:
    assert history.lately() == {}
    clock.at = NOW - timedelta(minutes=61)
    history.add(replace(REPORT, drift=("new field",)))
    clock.at = NOW
    assert history.lately() == {"smard_price": SourceLately(drift=("new field",))}
    history.forget_drift("smard_price")
    history.add(replace(REPORT, source="ceps_load"))
    assert history.lately() == {
        "smard_price": SourceLately(),
        "ceps_load": SourceLately(rows=92, refused=2),
    }


def test_a_segment_that_could_not_be_read_counts_once_for_as_long_as_lines_are_kept(
    history: BatchHistory, clock: Clock
) -> None:
    lost = replace(
        REPORT, quarantined=pl.DataFrame({"landing_offset": [10, 12], "check": [LOST, "price"]})
    )
    clock.at = NOW - timedelta(minutes=61)
    for report in (lost, lost, REPORT, replace(lost, source="ceps_load")):
        history.add(report)
    clock.at = NOW
    assert _lost(history) == {"smard_price": (1, 0), "ceps_load": (1, 0)}
    history.add(lost)
    history.add(replace(lost, quarantined=lost.quarantined.with_columns(check=pl.lit(LOST))))
    assert _lost(history)["smard_price"] == (2, 2)
    history.compact(now=NOW + KEPT - timedelta(minutes=30))
    assert _lost(history) == {"smard_price": (2, 2), "ceps_load": (0, 0)}


def _lost(history: BatchHistory) -> dict[str, tuple[int, int]]:
    return {
        name: (one.lost_segments, one.lost_segments_lately)
        for name, one in history.lately().items()
    }


def test_old_batches_are_summed_by_source_and_hour(history: BatchHistory, clock: Clock) -> None:
    hour = SUMMED.replace(minute=0)
    for minute in (5, 20, 59):
        clock.at = hour + timedelta(minutes=minute)
        history.add(replace(REPORT, start=minute, stop=minute + 1))
        history.add(replace(REPORT, source="ceps_load", drift=("a column",)))
    clock.at = hour + timedelta(minutes=60)
    history.add(replace(REPORT, start=60, stop=61))
    clock.at = hour + timedelta(minutes=21)
    history.add_failure("smard_price", ValueError("bad"))
    before = by_source(history.lines(since=NOW - KEPT))
    for _ in range(2):
        assert history.compact(now=NOW) == 3
        lines = history.lines("smard_price", since=NOW - KEPT)
        counts = lines.select("batches", "failed", "messages", "start_offset", "stop_offset")
        assert counts.rows() == [
            (3, 1, 3, 5, 60), (1, 0, 1, 60, 61)
        ]  # fmt: skip
        assert lines["finished_at"].to_list() == [
            hour + timedelta(minutes=59), hour + timedelta(minutes=60)
        ]  # fmt: skip
        assert lines["error"].to_list() == ["ValueError: bad", None]
        assert by_source(history.lines(since=NOW - KEPT)).equals(before)


def test_young_batches_stay_and_old_lines_go(history: BatchHistory, clock: Clock) -> None:
    for days in (91, 89, 2, 1):
        for second in range(3):
            clock.at = NOW - timedelta(days=days, seconds=second)
            history.add(replace(REPORT, start=days))
    history.compact(now=NOW)
    lines = history.lines(since=NOW - timedelta(days=365))
    assert lines.select("start_offset", "batches").rows() == [(89, 3), *[(2, 1)] * 3, *[(1, 1)] * 3]


def test_more_lines_than_the_bound_are_summed_sooner(history: BatchHistory, clock: Clock) -> None:
    for minute in range(300):
        clock.at = NOW - timedelta(minutes=minute)
        history.add(replace(REPORT, start=minute, stop=minute + 1))
    left = history.compact(now=NOW, most_lines=100)
    assert left <= 100 + 10
    lines = history.lines(since=NOW - KEPT)
    assert (lines.height, lines["messages"].sum()) == (left, 300)
    assert lines["batches"].to_list()[-30:] == [1] * 30, "the newest are still told one by one"


def test_remarks_are_kept_once_and_only_while_a_line_has_them(
    history: BatchHistory, clock: Clock
) -> None:
    for minute in range(50):
        clock.at = NOW - timedelta(minutes=minute)
        history.add(replace(REPORT, drift=("x" * 10_000,)))
    history._tables.close()
    assert history.stored_bytes() < 250_000  # the remarks have 500,000
    assert {len(said) for said in history.lines(since=NOW - KEPT)["drift"]} == {500}
    history.compact(now=NOW + KEPT + timedelta(days=1))
    assert history.lines(since=NOW - KEPT).is_empty()


def test_a_line_takes_less_than_a_hundred_bytes(tmp_path: Path, clock: Clock) -> None:
    chance, history = random.Random(7), BatchHistory(StatePlace(tmp_path))
    lines = 5_000
    for number in range(lines):
        clock.at = NOW + timedelta(seconds=number)
        start = chance.randrange(10_000_000)
        report = replace(REPORT, source="nord_pool_intraday_order_book", start=start)
        history.add(replace(report, stop=start + chance.randrange(1, 500), rows_parsed=number))
    history.compact(now=NOW)
    history._tables.close()
    assert 40 < history.stored_bytes() / lines < 100


def test_threads_and_instances_share_it(place: StatePlace) -> None:
    def add(source: str) -> None:
        history = BatchHistory(place)
        for number in range(50):
            history.add(replace(REPORT, source=source, start=number, stop=number + 1))

    threads = [threading.Thread(target=add, args=(f"source_{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    counted = by_source(BatchHistory(place).lines(since=datetime.now(UTC) - KEPT))
    assert counted["batches"].to_list() == [50] * 4
