"""From a source's state to one message at a webhook, over restarts."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from energy_platform.errors import UsageError
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.incidents import CALM, Told
from energy_platform.operations.alerts.watch import look, start_delivery
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import Settings, StatePlace, settings
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import land, run_all

pytestmark = pytest.mark.usefixtures("example_known")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_BRIEF", timedelta())


@pytest.fixture
def posted() -> Iterator[tuple[str, list[dict[str, str]]]]:
    bodies: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/", bodies
    server.shutdown()
    server.server_close()
    thread.join()


def with_address(url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ENERGY_PLATFORM_ALERT_URLS", url)
    forget_cached()
    return settings()


def receive(batches: MicroBatches, at: datetime) -> None:
    # A quarter-hour to come, so that the price is as new as its receipt.
    quarter = int((at - NOON) / timedelta(minutes=15)) + 1
    land(batches, [replace(example_message([("CZ", quarter, 1.0)]), received_at=at)])
    for report in run_all(batches):
        BatchHistory(settings().state).add(report)


def told(batches: MicroBatches) -> list[Told]:
    return [one.told for one in look(settings(), batches)[1] if EXAMPLE.name in one.text]


def test_late_is_told_once_over_restarts_and_so_is_on_time(
    platform_batches: MicroBatches,
    posted: tuple[str, list[dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, bodies = posted
    chosen = with_address(url, monkeypatch)
    receive(platform_batches, datetime.now(UTC) - timedelta(hours=1))
    assert told(platform_batches) == [Told.OPENED]
    thread = start_delivery(chosen)
    assert thread is not None
    thread.join(30)
    assert told(platform_batches) == [], "nothing is kept in this process that must not be lost"
    [body] = bodies
    assert f"{EXAMPLE.name} is late since" in body["message"]
    assert "(expected lag 5 min, last event" in body["message"]

    receive(platform_batches, datetime.now(UTC))
    assert told(platform_batches) == []
    monkeypatch.setattr("energy_platform.operations.alerts.incidents.CALM", CALM - CALM)
    assert told(platform_batches) == [Told.OVER]
    waiting = start_delivery(chosen)
    assert waiting is not None
    waiting.join(30)
    assert len(bodies) == 1, "two messages are a minute apart"


def test_without_an_address_alerts_are_known_all_the_same(
    home: Path, platform_batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    receive(platform_batches, datetime.now(UTC) - timedelta(hours=1))
    assert told(platform_batches) == [Told.OPENED]
    assert start_delivery(settings()) is None
    assert f"{EXAMPLE.name} is late since" in caplog.text
    told_of = [one.key for one in AlertBook(StatePlace(home)).incidents() if one.told_at]
    assert told_of == ["late:example_price"]


def test_failed_runs_of_a_job_are_told_together(home: Path, platform_batches: MicroBatches) -> None:
    book = AlertBook(StatePlace(home))
    for number in range(40):
        book.add_failed_run(f"run {number % 20}", "grid_micro_batch", datetime.now(UTC), "in x")
    _, news = look(settings(), platform_batches)
    [line] = [one.text for one in news if "grid" in one.text]
    assert line.startswith("20 runs of grid_micro_batch failed")
    assert look(settings(), platform_batches)[1] == []


def test_an_old_failed_run_is_nothing_wrong_now(home: Path, platform_batches: MicroBatches) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    AlertBook(StatePlace(home)).add_failed_run("run", "grid_micro_batch", hour_ago, "in x")
    incidents, news = look(settings(), platform_batches)
    assert news == []
    assert not [one for one in incidents if one.key.startswith("run:")]


def test_quarantine_and_drift_of_batches_are_told(platform_batches: MicroBatches) -> None:
    receive(platform_batches, datetime.now(UTC))
    bad = [("CZ", quarter, 9_999.0) for quarter in range(30)]
    land(platform_batches, [example_message(bad)])
    extra = json.dumps([{"zone": "CZ", "quarter": 0, "price": 1.0, "more": 1}]).encode()
    land(platform_batches, [replace(example_message(extra), received_at=datetime.now(UTC))])
    for report in run_all(platform_batches):
        BatchHistory(settings().state).add(report)
    _, news = look(settings(), platform_batches)
    texts = "\n".join(one.text for one in news)
    assert "30 of 32 rows of the last hour are in quarantine (94%)" in texts
    assert "its layout has drifted: new field `more` (number)." in texts
    BatchHistory(settings().state).forget_drift(EXAMPLE.name)
    assert BatchHistory(settings().state).lately()[EXAMPLE.name].drift == ()


def test_an_address_that_cannot_be_used_is_said(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = with_address("slak://hunter2", monkeypatch)
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_ALERT_URLS") as raised:
        look(chosen, platform_batches)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(chosen)
