"""How long a value takes from its receipt to a trader's screen, with all sources live.

The whole platform runs as `energy-platform up` runs it, on simulated markets at market pace, and
Chromium shows the intraday page. The page notes which prices, trades and frequencies its WebSocket
brings that change what is in view, and when their cell has been painted: the message that is posted
when the cell changes arrives after that. A row that changes nothing of what is in view is not
waited for; a value that is not shown within five seconds is counted.
The time counts from the row's `received_at`, the moment before its message lands. Then 50 viewers
watch, and the dashboard's process is measured, which shares its libraries with the other processes.
Last, the page is opened in a fresh browser again and again.

    python benchmarks/screens.py [--seconds 60] [--json screens.json]
"""

import argparse
import asyncio
import math
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from playwright.sync_api import Browser

from benchmarks import goals
from benchmarks.dashboard_viewers import WITH_GOALS, Watched, measured, share
from benchmarks.figures import Figure, print_table, write_json
from tests.support.platform_run import pid_of, running
from tests.support.screens import Screen, chromium

SETTLE_SECONDS: Final = 15.0
LISTENS_SECONDS: Final = 60.0
OPENINGS: Final = 7
AREA, PRODUCT = "DE-LU", "QH"

NOTE: Final = """
(() => {
  // What a contract's cells show of its row, and with how many digits.
  const shownBy = { bid: ['bid_eur_per_mwh', 2], ask: ['ask_eur_per_mwh', 2],
                    last: ['last_eur_per_mwh', 2] };
  const pending = new Map(), known = new Map(), found = [];
  const now = () => performance.timeOrigin + performance.now();
  window.pixels = {
    found, begin: () => { found.length = 0; pending.clear(); },
    waiting: () => [...pending.values()].filter((one) => now() - one.heard > 5000).length,
  };
  const note = (key, topic, row) =>
    pending.set(key, { topic, received: Date.parse(row.received_at), heard: now() });
  const isDrawn = (id) =>
    document.querySelector(`.grid-row[data-id="${CSS.escape(id)}"]:not([hidden])`) !== null;
  const differs = ([column, digits], row, before) =>
    row[column] !== undefined && row[column] !== null &&
    Number(row[column]).toFixed(digits) !== Number(before[column] ?? NaN).toFixed(digits);
  const take = (text) => {
    const frame = JSON.parse(text);
    for (const row of frame.rows ?? []) {
      if (!row.received_at) continue;
      const of = `${frame.t} ${row.id}`, before = known.get(of) ?? {};
      known.set(of, { ...before, ...row });
      if (frame.snap || before.received_at === row.received_at) continue;
      if (frame.t.startsWith('frequency')) note('#', frame.t, row);
      else if (frame.t.startsWith('trades')) note(row.id, frame.t, row);
      else if (frame.t.startsWith('contracts') && before.received_at && isDrawn(row.id))
        for (const [cell, how] of Object.entries(shownBy))
          if (differs(how, row, before)) note(`${row.id} ${cell}`, frame.t, row);
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...told) {
      super(...told);
      this.addEventListener('message', (event) => take(event.data));
    }
  };
  const keys = (node) => {
    const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    const row = element?.closest('.grid-row[data-id]')?.dataset.id;
    if (row === undefined)
      return element?.closest('[data-panel^="frequency"] .value') ? ['#'] : [];
    return [row, `${row} ${element.closest('.grid-cell')?.dataset.column}`];
  };
  const changed = new MutationObserver((records) => {
    const shown = [];
    for (const one of new Set(records.flatMap((record) => keys(record.target)))) {
      const row = pending.get(one);
      if (row === undefined) continue;
      pending.delete(one);
      shown.push(row);
    }
    if (shown.length === 0) return;
    const painted = new MessageChannel();
    painted.port1.onmessage = () => {
      const at = now();
      for (const row of shown) {
        found.push([row.topic.split(':')[0], row.heard - row.received, at - row.received]);
      }
    };
    painted.port2.postMessage(null);
  });
  const all = { subtree: true, childList: true, characterData: true };
  addEventListener('DOMContentLoaded', () => changed.observe(document.body, all));
})();
"""


def address_of(process: psutil.Process) -> tuple[str, int]:
    """Return where a server listens, once it does."""
    deadline = time.monotonic() + LISTENS_SECONDS
    while time.monotonic() < deadline:
        for one in process.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                return f"http://127.0.0.1:{one.laddr.port}", one.laddr.port
        time.sleep(0.5)
    raise TimeoutError("the dashboard does not listen")


def contracts_of(address: str) -> list[dict[str, Any]]:
    """Return the contracts that are traded."""
    asked = {"area": AREA, "product": PRODUCT}
    rows: list[dict[str, Any]] = httpx.get(
        f"{address}/api/contracts", params=asked, timeout=60
    ).json()["rows"]
    return rows


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a page showed.

    Attributes:
        shown: Of each value that was shown its topic, and its seconds to page and screen.
        not_shown: How many values the page got and did not show within five seconds.
    """

    shown: Sequence[tuple[str, float, float]]
    not_shown: int


def pixels(browser: Browser, address: str, seconds: float) -> Pixels:
    """Look at the intraday page for a while."""
    screen = Screen(browser, address)
    screen.page.add_init_script(NOTE)
    screen.open("intraday")
    time.sleep(SETTLE_SECONDS)
    screen.page.evaluate("pixels.begin()")
    time.sleep(seconds)
    found: list[tuple[str, float, float]] = screen.page.evaluate("pixels.found")
    waiting: int = screen.page.evaluate("pixels.waiting()")
    screen.close()
    return Pixels([(topic, heard / 1000, shown / 1000) for topic, heard, shown in found], waiting)


def opened(browser: Browser, address: str) -> tuple[float, float]:
    """Open the page in a browser that has nothing of it; return first paint and its files' KB."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    painted, size = page.evaluate(
        """() => {
          const paint = performance.getEntriesByName('first-contentful-paint')[0].startTime;
          const files = [...performance.getEntriesByType('navigation'),
                         ...performance.getEntriesByType('resource')];
          const own = files.filter((one) => !new URL(one.name).pathname.startsWith('/api/'));
          return [paint, own.reduce((sum, one) => sum + one.transferSize, 0)];
        }"""
    )
    context.close()
    return painted / 1000, size / 1000


def told(
    found: Pixels,
    openings: Sequence[tuple[float, float]],
    watched: Watched,
) -> Iterator[Figure]:
    """Yield the figures.

    Args:
        found: What the page showed.
        openings: Of each fresh browser the seconds to its first paint, and the KB that it loaded.
        watched: What viewers cost.
    """
    shown = sorted(one for _, _, one in found.shown)
    to_page = share(sorted(one for _, one, _ in found.shown), 0.5)
    counts = Counter(topic for topic, _, _ in found.shown)
    of_topics = ", ".join(f"{count} of {topic}" for topic, count in sorted(counts.items()))
    load = f"load average {os.getloadavg()[0]:.1f}"
    yield goals.PIXEL_P50.measured(
        share(shown, 0.5), f"{of_topics}; received → page {to_page or math.nan:.2f} s; {load}"
    )
    yield goals.PIXEL_P95.measured(share(shown, 0.95), f"{found.not_shown} values were not shown")
    yield goals.FIRST_PAINT.measured(statistics.median(paint for paint, _ in openings))
    yield goals.PAGE_SIZE.measured(max(size for _, size in openings))
    yield goals.LIVE_CPU.measured(watched.share, load)
    yield goals.LIVE_MEMORY.measured(watched.memory_mb)


def figures(seconds: float) -> list[Figure]:
    """Measure on a platform of its own."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as supervisor:
        process = psutil.Process(pid_of(supervisor, "dashboard"))
        address, port = address_of(process)
        with chromium() as browser:
            found = pixels(browser, address, seconds)
            openings = [opened(browser, address) for _ in range(OPENINGS)]
        contract = contracts_of(address)[0]["contract_id"]
        topics = (f"contracts:{AREA}:{PRODUCT}", f"book:{AREA}:{contract}",
                  f"trades:{AREA}:{contract}", "frequency:CE", "status")  # fmt: skip
        watched = asyncio.run(measured(port, process, WITH_GOALS, seconds, topics))
    return list(told(found, openings, watched))


def main() -> None:
    """Measure, print a table, and write JSON."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--json", type=Path)
    asked = arguments.parse_args()
    found = figures(asked.seconds)
    print_table(found)
    if asked.json:
        write_json(found, asked.json)


if __name__ == "__main__":
    main()
