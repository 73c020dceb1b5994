"""How long a value takes from its receipt to a trader's screen, with all sources live.

The whole platform runs as `energy-platform up` runs it, on simulated markets at market pace, and
Chromium shows the intraday page. The page notes which rows its WebSocket brings and when a cell of
such a row has been painted: the message that is posted when the cell changes arrives after that.
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
  const pending = new Map(), seen = new Map(), found = [];
  const now = () => performance.timeOrigin + performance.now();
  window.pixels = { found, begin: () => { found.length = 0; pending.clear(); } };
  const note = (key, topic, row) =>
    pending.set(key, { topic, received: Date.parse(row.received_at), heard: now() });
  const take = (text) => {
    const frame = JSON.parse(text);
    for (const row of frame.rows ?? []) {
      const key = `${frame.t} ${row.id}`;
      if (!row.received_at || seen.get(key) === row.received_at) continue;
      seen.set(key, row.received_at);
      if (!frame.snap) note(frame.t.startsWith('frequency') ? '#' : row.id, frame.t, row);
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...told) {
      super(...told);
      this.addEventListener('message', (event) => take(event.data));
    }
  };
  const key = (node) => {
    const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    const row = element?.closest('.grid-row[data-id]');
    return row ? row.dataset.id : element?.closest('[data-value="frequency"]') ? '#' : null;
  };
  const changed = new MutationObserver((records) => {
    const shown = [];
    for (const one of new Set(records.map((record) => key(record.target)))) {
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


def pixels(browser: Browser, address: str, seconds: float) -> list[tuple[str, float, float]]:
    """Return topic, seconds to the page and seconds to the screen of each value that was shown."""
    screen = Screen(browser, address)
    screen.page.add_init_script(NOTE)
    screen.open("intraday")
    time.sleep(SETTLE_SECONDS)
    screen.page.evaluate("pixels.begin()")
    time.sleep(seconds)
    found: list[tuple[str, float, float]] = screen.page.evaluate("pixels.found")
    screen.close()
    return [(topic, heard / 1000, shown / 1000) for topic, heard, shown in found]


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
    found: Sequence[tuple[str, float, float]],
    openings: Sequence[tuple[float, float]],
    watched: Watched,
) -> Iterator[Figure]:
    """Yield the figures.

    Args:
        found: Of each value that was shown its topic, and its seconds to page and screen.
        openings: Of each fresh browser the seconds to its first paint, and the KB that it loaded.
        watched: What viewers cost.
    """
    shown = sorted(one for _, _, one in found)
    to_page = share(sorted(one for _, one, _ in found), 0.5)
    counts = Counter(topic for topic, _, _ in found)
    of_topics = ", ".join(f"{count} of {topic}" for topic, count in sorted(counts.items()))
    load = f"load average {os.getloadavg()[0]:.1f}"
    yield goals.PIXEL_P50.measured(
        share(shown, 0.5), f"{of_topics}; received → page {to_page or math.nan:.2f} s; {load}"
    )
    yield goals.PIXEL_P95.measured(share(shown, 0.95))
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
