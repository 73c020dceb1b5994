"""Files of a landing log, and how fast it is read, before and after its segments are merged.

    python benchmarks/landing.py [--segments 20000] [--json landing.json]

A log is written as the collector writes the log of a busy source: one small order-book update per
segment. Both states are read in the same run, cold to this process, and compared: the whole log, as
a replay reads it, and single messages anywhere. Files per day are computed from
`SEGMENTS_A_MINUTE`, which 34 sources wrote at market pace when it was counted; the newest thousand
offsets of each source are not merged yet and not counted.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from unittest import mock

from obstore.store import LocalStore

from benchmarks import goals
from benchmarks.figures import Figure, print_table, write_json
from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingLog, LandingZone, Merged
from energy_platform.storage.landing.log import MERGED_KEPT

SOURCE: Final = "nord_pool_intraday_order_book"
SEGMENTS_A_MINUTE: Final = 345
MINUTES_A_DAY: Final = 24 * 60
ROUNDS: Final = 3
SINGLE_READS: Final = 100
BATCH: Final = 5_000


def main() -> None:
    """Write a log, measure it, merge it, measure it again, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        zone = LandingZone(LocalStore(folder))
        write(zone, arguments.segments)
        before = measured(folder, arguments.segments)
        began = time.process_time()
        done = zone.merge(SOURCE, now=datetime.now(UTC))
        merging = time.process_time() - began
        zone.merge(SOURCE, now=datetime.now(UTC) + 2 * MERGED_KEPT)
        after = measured(folder, arguments.segments)
    figures = compared(before, after, done, merging)
    print_table(figures)
    if arguments.json:
        write_json(figures, arguments.json)


def compared(
    before: Mapping[str, float], after: Mapping[str, float], done: Merged, merging_seconds: float
) -> list[Figure]:
    """Return the merged log's cost divided by the earlier one, and the figures of a day."""
    per_day = SEGMENTS_A_MINUTE * MINUTES_A_DAY
    return [
        Figure(
            what=f"{what}, merged / before",
            value=after[what] / before[what],
            unit="",
            note=f"{before[what]:,.3f} before, {after[what]:,.3f} merged",
        )
        for what in before
    ] + [
        Figure(what="files a day before", value=per_day, unit="files"),
        goals.LANDING_FILES.measured(per_day * done.into / done.merged),
        Figure(
            what="merging a day", value=merging_seconds * per_day / done.merged, unit="s of CPU"
        ),
    ]


def write(zone: LandingZone, segments: int) -> None:
    """Write a log without syncing it, since writing is not measured."""
    chosen = random.Random(7)
    writer, began = zone.writer(SOURCE), datetime.now(UTC) - timedelta(days=1)
    with mock.patch("os.fsync"):
        for number in range(segments):
            at = began + timedelta(seconds=number / 4)
            writer.append([RawMessage(body=update(chosen, number), received_at=at)], str(number))


def update(chosen: random.Random, number: int) -> bytes:
    """Return an update of an order book: a few orders of one contract."""
    orders = [
        {
            "orderId": f"{chosen.getrandbits(64):x}",
            "price": chosen.randrange(-5_000, 20_000),
            "qty": chosen.randrange(100, 50_000),
            "side": chosen.choice(["BUY", "SELL"]),
        }
        for _ in range(chosen.randrange(1, 8))
    ]
    return json.dumps({"contractId": f"NX_{number % 400}", "revisionNo": number,
                       "orders": orders}).encode()  # fmt: skip


def measured(folder: str, segments: int) -> dict[str, float]:
    """Return the log's size on disk, and the cost of reading it."""
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    places = random.Random(7).sample(range(segments), SINGLE_READS)

    def read_all(log: LandingLog) -> None:
        for start in range(0, segments, BATCH):
            log.read(start, min(start + BATCH, segments))

    def read_single(log: LandingLog) -> None:
        for place in places:
            log.read(place, place + 1)

    return {
        "files": float(len(files)),
        "MB on disk": sum(file.stat().st_blocks * 512 for file in files) / 1e6,
        "s of CPU to read all": timed(folder, read_all),
        "s of CPU to read 100 single messages": timed(folder, read_single),
    }


def timed(folder: str, read: Callable[[LandingLog], None]) -> float:
    """Return the median of some rounds, each with a newly opened log."""
    return median(
        cpu_seconds(lambda: read(LandingZone(LocalStore(folder)).log(SOURCE)))
        for _ in range(ROUNDS)
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
