"""Kills the containers of the platform of compose for an hour, and holds it to account.

    python -m tests.faults.compose [--minutes 60] [--seed N] [--folder FOLDER] [--json FILE]

Each round kills every container once, in an order by chance. It prints how long each took to come
back, and what became of each source's rows. The exit code is 1 if a row was lost, doubled or
invented, or the platform did not get well. Images are built from Debian's packages and kept in
FOLDER; Docker runs in a network of its own.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from tests.support import container_images, docker_daemon
from tests.support.compose_platform import ComposePlatform, compose_platform
from tests.support.container_images import Images

FOLDER: Final = Path("/var/tmp/energy-platform-images")
LOST_OR_FAILED: Final = 1
SKIPPED: Final = 2
WRONG: Final = ("lost", "invented", "doubled")


def main() -> int:
    """Strike, account and report."""
    asked = arguments()
    if lacking := container_images.missing() or docker_daemon.missing():
        print(f"SKIPPED: {lacking}")
        return SKIPPED
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}, {asked.minutes:g} minutes, {os.cpu_count()} cores", flush=True)
    began, failure = datetime.now(UTC), ""
    recoveries: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with compose_platform(asked.folder / "docker", Images(asked.folder)) as platform:
        print(f"all sources flow after {(datetime.now(UTC) - began).total_seconds():.0f} s")
        try:
            strike(platform, Random(seed), asked.minutes * 60, recoveries)
        except AssertionError as error:
            failure = str(error)
            print(failure, flush=True)
        found = platform.accounts()
    print(*table(recoveries), sep="\n")
    print(*verdict(found), sep="\n")
    if asked.json is not None:
        report = {
            "seed": seed, "minutes": asked.minutes, "began_at": began.isoformat(),
            "recoveries": recoveries, "accounts": found, "failure": failure,
            "load": os.getloadavg(),
        }  # fmt: skip
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return LOST_OR_FAILED if failure or wrong(found) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="the same seed strikes in the same order")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def strike(
    platform: ComposePlatform,
    random: Random,
    seconds: float,
    recoveries: dict[str, list[tuple[float, float]]],
) -> None:
    """Kill one container after the other until the time is over, each in every round.

    Raises:
        AssertionError: The platform does not get well.
    """
    since = time.monotonic()
    while True:
        names = sorted(platform.containers())
        for name in random.sample(names, len(names)):
            if time.monotonic() - since > seconds:
                return
            back, well = platform.recovery_of(name)
            recoveries[name].append((back, well))
            load = os.getloadavg()[0]
            said = f"{name}: back after {back:.1f} s, well after {well:.1f} s, load {load:.0f}"
            print(f"{datetime.now(UTC):%H:%M:%S} {said}", flush=True)


def wrong(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return what became of rows that should not have."""
    return [
        f"{one['source']}: {one[what]} {what} {one['samples']}"
        for one in found
        for what in WRONG
        if one[what]
    ]


def verdict(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return what is told of all sources."""
    emitted, stored = (sum(one[what] for one in found) for what in ("journalled", "stored"))
    sums = ", ".join(f"{sum(one[what] for one in found)} {what}" for what in WRONG)
    return [f"{len(found)} sources: {emitted:,} rows emitted, {stored:,} stored: {sums}",
            *wrong(found)]  # fmt: skip


def table(recoveries: dict[str, list[tuple[float, float]]]) -> list[str]:
    """Return the table of how long each container took to come back."""
    return [
        "| container | killed | back after, median and most | platform well after |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {len(times)} | {_both([one for one, _ in times])}"
            f" | {_both([one for _, one in times])} |"
            for name, times in sorted(recoveries.items())
        ),
    ]


def _both(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.0f} s, {max(seconds):.0f} s"


if __name__ == "__main__":
    sys.exit(main())
