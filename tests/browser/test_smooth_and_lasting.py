"""A day of seconds is drawn without a stutter, and a page that stays open does not grow."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from playwright.sync_api import Browser, CDPSession, Page, Response, WebSocketRoute

from benchmarks.dashboard_viewers import TOPICS, Market, dashboard
from tests.support.dashboard import Desk
from tests.support.dashboard import Page as Viewer
from tests.support.screens import Screen

FREQUENCY = "energy_charts_frequency"
DAY_SECONDS = 86_400
NOW = datetime.now(UTC).replace(microsecond=0)
SPIKE_AT = NOW - timedelta(hours=9, seconds=7)
SPIKE_HZ = 50.4
LONGEST_FRAME_MS = 50.0
QUICK_SECONDS, NIGHTLY_SECONDS = 240, 8 * 3_600
WARM_SECONDS = 120
TRADES, SECONDS = 200, 900
"""How many rows a tape has, and a frequency's topic."""
MEGABYTE = 2**20
BOOK_TOPIC = TOPICS[1]
MOST_GROWTH_MB = 24
"""Less than 70 bytes for each change of a book in the five hours between."""
HELD = ("JSHeapUsedSize", "Nodes", "JSEventListeners")

RECORD_TASKS = """
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
  }).observe({ type: 'longtask' });
  window.gap = 0;
  let before = null;
  const look = (at) => {
    if (before !== null) window.gap = Math.max(window.gap, at - before);
    before = at;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""


def a_day() -> pl.DataFrame:
    """Return a day of seconds, with one that stands out."""
    seconds = [NOW - timedelta(seconds=number) for number in range(DAY_SECONDS)]
    values = [50 + (number % 97) / 2_000 for number in range(DAY_SECONDS)]
    values[seconds.index(SPIKE_AT)] = SPIKE_HZ
    return pl.DataFrame({"observed_at": seconds, "region": "DE-Freiburg", "frequency_hz": values})


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    with closing(Desk(desk_home)) as served:
        served.store(FREQUENCY, a_day())
        yield served


def patience() -> float:
    """Return how many times as long a frame may take here: once, on a machine that is free."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def is_of_a_day(answer: Response) -> bool:
    """Return whether an answer has the frequency of a day; that of the quarter-hour may be late."""
    asked = httpx.URL(answer.url)
    start = asked.params.get("start")
    is_frequency = asked.path == f"/api/range/{FREQUENCY}" and start is not None
    return is_frequency and datetime.fromisoformat(start) < NOW - timedelta(hours=20)


def test_a_day_of_seconds_is_drawn_and_zoomed_without_a_long_frame(
    browser: Browser, desk: Desk
) -> None:
    screen = Screen(browser, f"http://127.0.0.1:{desk.port}")
    page = screen.page
    screen.open("balance?span-CE=15m")
    chart = page.locator('[data-panel="frequency-ce"] .u-over').first
    screen.until(lambda: chart.count() == 1)
    with page.expect_response(is_of_a_day) as asked:
        page.evaluate(RECORD_TASKS)
        page.evaluate("location.hash = '#/balance?span-CE=24h'")
    rows = asked.value.json()["rows"]
    # A thinned day has the second that stands out.
    assert 1_000 < len(rows) <= 3_000
    assert max(row["frequency_hz"] for row in rows) == SPIKE_HZ
    page.wait_for_timeout(500)
    zoom(page, chart.bounding_box())
    for second in range(1, 4):
        newer = {"observed_at": [NOW + timedelta(seconds=second)], "region": ["DE-Freiburg"],
                 "frequency_hz": [50.0]}  # fmt: skip
        desk.show(FREQUENCY, pl.DataFrame(newer))
        page.wait_for_timeout(300)
    chart.dblclick()
    page.wait_for_timeout(500)
    assert page.evaluate("longest") <= LONGEST_FRAME_MS * patience()
    assert page.evaluate("gap") <= LONGEST_FRAME_MS * patience()
    screen.close()


def zoom(page: Page, box: Any) -> None:
    """Drag over the middle of a chart."""
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20, steps=20)
    page.mouse.up()


class Stream:
    """Stands in for the server's WebSocket: tells what a busy market tells, second by second."""

    def __init__(self) -> None:
        self._socket: WebSocketRoute | None = None
        self._topics: dict[str, int] = {}
        self._second = 0

    def serve(self, socket: WebSocketRoute) -> None:
        self._socket, self._topics = socket, {}
        socket.on_message(self._hear)

    @property
    def is_watched(self) -> bool:
        return {kind.partition(":")[0] for kind in self._topics} >= {
            "contracts", "book", "trades", "frequency"
        }  # fmt: skip

    def tell_a_second(self, at: datetime) -> None:
        """Send the frames of one second, as the server's rooms would."""
        self._second += 1
        for topic in list(self._topics):
            kind = topic.partition(":")[0]
            for part in range({"book": 5, "contracts": 4}.get(kind, 1)):
                rows, gone = self._rows(kind, at, self._second * 8 + part)
                self._tell(topic, rows=rows, gone=gone)
        self._send({"t": "beat", "at": said(at), "behind": False, "why": []})

    def _hear(self, text: str | bytes) -> None:
        message = json.loads(text)
        for topic in message.get("topics", {}) if message["op"] == "open" else ():
            self._topics.setdefault(topic, 0)
            kind = topic.partition(":")[0]
            self._tell(topic, snap=1, rows=self._rows(kind, NOW, 0)[0])

    def _tell(self, topic: str, **what: Any) -> None:
        self._topics[topic] += 1
        self._send({"t": topic, "e": "soak", "s": self._topics[topic], **what})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps(message))

    def _rows(self, kind: str, at: datetime, number: int) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the rows of a frame, and which ids are gone: those of long ago."""
        about = {"received_at": said(at), "landing_offset": number, "source": "s"}
        make: Callable[[], list[dict[str, Any]]] = ROWS.get(kind, lambda *_: list)(at, number)
        rows = [about | row for row in make()]
        old = {
            "trades": f"{number - 8 * TRADES}", "frequency": f"{int(at.timestamp()) - SECONDS}"
        }  # fmt: skip
        return rows, [old[kind]] if kind in old else []


def said(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def contracts(at: datetime, number: int) -> Callable[[], list[dict[str, Any]]]:
    start = NOW.replace(minute=0, second=0) + timedelta(hours=10)
    quarter = timedelta(minutes=15)
    numbers = range(60) if number == 0 else [number % 60]
    return lambda: [
        {"id": f"NX_{one}", "contract_id": f"NX_{one}", "name": f"QH {one}", "state": "ACTI",
         "delivery_start": said(start + one * quarter),
         "delivery_end": said(start + (one + 1) * quarter),
         "closes_at": said(start + one * quarter - timedelta(minutes=5)),
         "bid_eur_per_mwh": 80 + number % 7, "bid_mw": 5.0, "ask_eur_per_mwh": 90 + number % 7,
         "ask_mw": 5.0, "spread_eur_per_mwh": 10.0, "last_eur_per_mwh": 85.0 + number % 5,
         "last_mw": 1.0, "last_at": said(at), "vwap_eur_per_mwh": 85.0, "volume_mwh": 1.0 * number,
         "change_15m_eur_per_mwh": 0.5, "day_ahead_eur_per_mwh": 84.0, "position_mw": None,
         "close_cost_eur": None}
        for one in numbers
    ]  # fmt: skip


def ladder(_: datetime, number: int) -> Callable[[], list[dict[str, Any]]]:
    levels = range(20) if number == 0 else [number % 20]
    return lambda: [
        {"id": f"{side}:{price:.2f}", "side": side, "price_eur_per_mwh": price,
         "volume_mw": 1.0 + number % 50, "orders": 2}
        for level in levels
        for side, price in (("BUY", 85.0 - level), ("SELL", 86.0 + level))
    ]  # fmt: skip


def trades(at: datetime, number: int) -> Callable[[], list[dict[str, Any]]]:
    numbers = range(-8 * (TRADES - 1), 8, 8) if number == 0 else [number]
    return lambda: [
        {"id": str(one), "trade_id": str(one),
         "traded_at": said(at + timedelta(seconds=(one - number) // 8)),
         "price_eur_per_mwh": 85.0 + one % 9, "volume_mw": 1.0, "state": "COMPLETED",
         "aggressor": "BUY"}
        for one in numbers
    ]  # fmt: skip


def seconds(at: datetime, number: int) -> Callable[[], list[dict[str, Any]]]:
    back = range(SECONDS) if number == 0 else [0]
    moments = [at - timedelta(seconds=one) for one in back]
    return lambda: [
        {"id": str(int(one.timestamp())), "observed_at": said(one), "frequency_hz": 50.01}
        for one in moments
    ]


ROWS: dict[str, Any] = {
    "contracts": contracts, "book": ladder, "trades": trades, "frequency": seconds
}  # fmt: skip


@contextmanager
def traced(page: Page) -> Iterator[CDPSession]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.enable")
    yield session
    session.detach()


def in_use(session: CDPSession) -> dict[str, float]:
    """Return what the page holds after its garbage is gone: bytes of its heap, nodes of its DOM."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    told = session.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in told}


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(QUICK_SECONDS, id="minutes"),
        pytest.param(NIGHTLY_SECONDS, id="eight hours", marks=pytest.mark.nightly),
    ],
)
def test_an_open_page_does_not_grow(browser: Browser, desk: Desk, length: int) -> None:
    """The page's own clock runs as fast as it can: timers, animation frames and ages with it.

    A stand-in for the socket tells twelve frames for each second of that clock, and the API answers
    as ever. What the page holds after two minutes is compared with what it holds at the end.
    """
    stream = Stream()
    screen = Screen(browser, f"http://127.0.0.1:{desk.port}")
    page = screen.page
    page.route_web_socket("**/live", stream.serve)
    page.clock.install(time=NOW)
    page.goto(f"{screen.address}/#/intraday")
    at = NOW

    def pass_by(how_many: int) -> None:
        nonlocal at
        for _ in range(how_many):
            at += timedelta(seconds=1)
            stream.tell_a_second(at)
            page.clock.run_for(1_000)

    page.clock.run_for(3_000)
    pass_by(WARM_SECONDS)
    assert stream.is_watched
    assert screen.link() == "LIVE"
    with traced(page) as session:
        before = in_use(session)
        pass_by(length)
        after = in_use(session)
    sys.stdout.write(f"{length} s: { ({name: (before[name], after[name]) for name in HELD}) }\n")
    assert screen.link() == "LIVE"
    assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < 2 * MEGABYTE
    assert after["Nodes"] <= before["Nodes"] * 1.1
    assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.1
    screen.close()


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_the_server_does_not_grow(tmp_path: Path) -> None:
    """It takes and shows what eight hours of a busy market bring, as fast as it can.

    Each burst has what a minute brings: 1,200 changes of 60 order books, 180 revisions of trades
    and 60 frequencies. They land, go through the hot lane and come over the live bus; one page
    stays open and must show the newest change before the next burst, another one comes and goes.
    The trades are revisions of the same ones, since the server keeps each for a day and a half.
    """
    desk = Desk(tmp_path / "home", serves=False)
    market = Market(desk)
    market.open()
    held: list[float] = []
    try:
        with dashboard(desk) as process, desk.page(**dict.fromkeys(TOPICS)) as page:
            for minute in range(1, NIGHTLY_SECONDS // 60 + 1):
                began = said(datetime.now(UTC))
                market.burst(60, trades=2_000)
                page.until(partial(shows_since, page, began))
                with desk.page(**dict.fromkeys(TOPICS)) as visitor:
                    visitor.until(partial(shows_since, visitor, began))
                if minute % 60 == 0:
                    held.append(own_megabytes(process))
            assert page.errors == {}
    finally:
        desk.close()
    sys.stdout.write(f"MB after each hour: {held}\n")
    assert min(held[-2:]) - min(held[1:3]) < MOST_GROWTH_MB


def shows_since(page: Viewer, moment: str) -> bool:
    """Return whether a viewer has a row of the ladder that was received since a moment."""
    ladder = page.rows.get(BOOK_TOPIC, {})
    return any((row["received_at"] or "") >= moment for row in ladder.values())


def own_megabytes(process: psutil.Process) -> float:
    """Return the least that a process has for itself within some seconds.

    Python collects garbage when it makes objects: frames that are still told each second do that.
    """
    looks = []
    for _ in range(10):
        looks.append(process.memory_full_info().uss / MEGABYTE)
        time.sleep(1)
    return round(min(looks), 1)
