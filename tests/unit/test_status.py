"""What is said of a source: how far it has come, how late it is, and what it lacks."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_platform.operations.batch_history import BatchHistory
from energy_platform.operations.status import SourceState, SourceStatus, source_statuses
from energy_platform.pipeline.micro_batch import BATCH, MicroBatches
from energy_platform.settings import Settings, StatePlace, settings
from tests.support.sources import EXAMPLE, NOON, example_message, quote
from tests.support.stores import land, run_all

pytestmark = pytest.mark.usefixtures("example_known")

Status = Callable[..., SourceStatus]


@pytest.fixture
def status(platform_batches: MicroBatches) -> Status:
    def of_example(chosen: Settings | None = None, *, name: str = EXAMPLE.name) -> SourceStatus:
        statuses = {
            one.name: one for one in source_statuses(chosen or settings(), platform_batches)
        }
        return statuses[name]

    return of_example


def feeds_say(home: Path, **status: Any) -> None:
    file = home / "run" / "feeds.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({EXAMPLE.name: status}))


def test_a_source_that_brought_nothing_waits(status: Status) -> None:
    one = status()
    assert one.state is SourceState.WAITING
    assert (one.landed_offset, one.committed_offset, one.rows, one.quarantined) == (0, 0, 0, 0)
    assert one.last_event_at is None
    assert one.lag_seconds is None


def test_offsets_rows_and_quarantine_are_counted(
    status: Status, platform_batches: MicroBatches
) -> None:
    messages = [
        example_message([("CZ", 0, 1.0), ("CZ", 1, 9_999.0)]),
        example_message([("CZ", 0, 1.0)]),
        example_message(b"garbage"),
        example_message([("CZ", 0, 2.0)]),
    ]
    land(platform_batches, messages)
    run_all(platform_batches)
    land(platform_batches, messages[:1])
    one = status()
    assert (one.landed_offset, one.committed_offset) == (5, 4)
    assert (one.rows, one.quarantined) == (2, 2)


def received(at: datetime, batches: MicroBatches, *, quarter: int = 0) -> None:
    message = replace(example_message([("CZ", quarter, 1.0)]), received_at=at)
    land(batches, [message])
    run_all(batches)


def test_lag_is_counted_from_the_event(status: Status, platform_batches: MicroBatches) -> None:
    received(datetime.now(UTC), platform_batches)
    one = status()
    assert one.last_event_at == NOON
    assert one.lag_seconds == pytest.approx((datetime.now(UTC) - NOON).total_seconds(), abs=60)
    assert one.state is SourceState.LATE


def test_rows_about_the_future_are_as_old_as_their_receipt(
    status: Status, platform_batches: MicroBatches
) -> None:
    now = datetime.now(UTC)
    tomorrow = int((now + timedelta(days=1) - NOON) / timedelta(minutes=15))
    received(now, platform_batches, quarter=tomorrow)
    one = status()
    assert one.last_event_at is not None
    assert abs(one.last_event_at - now) < timedelta(milliseconds=1)
    assert one.state is SourceState.FLOWING


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("starting", SourceState.WAITING),
        ("running", SourceState.WAITING),
        ("backing off", SourceState.BACKING_OFF),
        ("fenced", SourceState.FENCED),
    ],
)
def test_a_feeds_trouble_is_told(
    home: Path, status: Status, state: str, expected: SourceState
) -> None:
    feeds_say(home, state=state, detail="FeedError: no route", failures=3, landed_messages=1)
    one = status()
    assert one.state is expected
    assert one.detail == "FeedError: no route"


def test_questions_without_an_answer_are_named(home: Path, status: Status) -> None:
    unanswered = {f"zone={zone}": "answered 400: not valid" for zone in ("AA", "BB", "CC", "XK")}
    feeds_say(home, state="running", unanswered=unanswered, questions=47)
    one = status()
    assert one.unanswered == unanswered
    assert one.told_unanswered == (
        "no answer to 4 of 47 questions: zone=AA (answered 400: not valid); zone=BB (answered 400:"
        " not valid); zone=CC (answered 400: not valid); and 1 more"
    )


def test_a_status_of_an_older_collector_names_no_question(home: Path, status: Status) -> None:
    feeds_say(home, state="running", detail="", failures=0, landed_messages=1)
    assert (status().unanswered, status().told_unanswered) == ({}, "")


def test_a_live_source_says_what_it_needs(
    home: Path, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = settings().model_copy(update={"markets": "live"})
    for variable in ("NORD_POOL_USERNAME", "NORD_POOL_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NORD_POOL_CLIENT_ID", "id")
    monkeypatch.setenv("NORD_POOL_CLIENT_SECRET", "")
    one = status(live, name="nord_pool_intraday_trade")
    assert one.state is SourceState.NEEDS
    assert one.needs == [
        "NORD_POOL_USERNAME", "NORD_POOL_PASSWORD", "NORD_POOL_CLIENT_SECRET"
    ]  # fmt: skip
    assert status(name="nord_pool_intraday_trade").needs == []


def test_a_source_whose_test_cases_are_played_back_is_never_late(
    status: Status, platform_batches: MicroBatches
) -> None:
    received(NOON, platform_batches)
    assert status().state is SourceState.LATE
    folder = settings().simulator_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "addresses.json").write_text(json.dumps({f"{EXAMPLE.name} https://": "http://x/"}))
    one = status()
    assert (one.state, one.late) == (SourceState.FLOWING, None)


def test_a_source_whose_batches_fail_again_and_again_is_blocked(
    home: Path, status: Status, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [quote(1.0)])
    run_all(platform_batches)
    history = BatchHistory(StatePlace(home))
    for failures in range(4):
        land(platform_batches, [quote(2.0)])
        one = status()
        assert (one.state is SourceState.BLOCKED) is (failures >= 3)
        history.add_failure(EXAMPLE.name, ValueError("no number"))
    assert status().blocked == "at offset 1, with 4 messages waiting: ValueError: no number"
    run_all(platform_batches)
    assert (status().state, status().blocked) == (SourceState.LATE, "")


def test_a_source_whose_processes_die_is_blocked(
    status: Status, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [quote(1.0), quote(2.0)])
    for _ in range(4):
        assert status().state is not SourceState.BLOCKED
        with platform_batches.attempts.at(EXAMPLE.name, 0, by=BATCH) as attempt:
            attempt.begin(2)  # and dies
    assert status().blocked == (
        "at offset 0, with 2 messages waiting: 3 processes died that took it"
    )
