"""Strikes whole platforms for an hour, and holds them to account: `make soak`.

    python -m tests.faults.soak [--minutes 60] [--seed N] [--stage NAME …] [--case TEXT]
                                [--json FILE]
    python -m tests.faults.soak --told FILE …

It prints each case as it ends, then a table of all, and writes the outcome as JSON. `--case
SIGKILL` does only cases named like that. `--told` prints the table of outcomes that were kept. The
exit code is 1 if a row was lost, doubled or invented, a platform did not get well, or a secret was
found where none may be.

The stages, each with a home of its own:

- `quiet`: a platform that nobody strikes, and whose processes may not grow
- `embedded`: a platform with embedded stores, struck by every case of processes, callers, upstream
- `cloud`: one on BigQuery's emulator and InfluxDB, where these are installed, whose stores are
  taken away as well
- `spring`, `autumn`: one in a market in which the clocks are changed meanwhile
- `secrets`: one with passwords for everything, which are searched for afterwards
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

from tests.faults import cases, memory, planted_secrets
from tests.faults.cases import Case
from tests.faults.report import Row, Struck, as_json, of_json, rows_of, table, together
from tests.faults.stage import Stage, Store, wait_until_well
from tests.support import bigquery_server, influx_server
from tests.support.accounts import accounts
from tests.support.running_platform import (
    RunningPlatform,
    started,
    wait_for,
    wait_until_flowing,
)

SHARES: Final = {
    "quiet": 0.15, "embedded": 0.45, "cloud": 0.25, "spring": 0.05, "autumn": 0.05, "secrets": 0.05,
}  # fmt: skip
"""The stages, and which part of the time is each one's."""
CHANGES: Final = {
    "spring": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "autumn": datetime(2026, 10, 25, 1, tzinfo=UTC),
}
"""When the clocks are changed in Europe."""
BEFORE_THE_CHANGE: Final = timedelta(minutes=20)
AFTER_THE_CHANGE: Final = timedelta(minutes=5)
MARKET_SPEED: Final = 4
HOLD_SECONDS: Final = 60.0
"""How long a fault lasts that lasts, in a soak of an hour; in a shorter one it is shorter."""
LEAST_HOLD_SECONDS: Final = 10.0
CHANGED_SECONDS: Final = 1_200.0
LEAST_QUIET_SECONDS: Final = 300.0
"""How long a platform is left alone at least, so that growth and warming up differ."""
NOTE_SECONDS: Final = 10.0
WELL_WITHIN_SECONDS: Final = 60.0
"""How soon a platform is to be well again on two cores."""
LOST_OR_FAILED: Final = 1


@dataclass
class Outcome:
    """What the stages have found."""

    rows: list[Row] = field(default_factory=list)
    emitted: int = 0
    stored: int = 0
    memory_mb: dict[str, memory.Notes] = field(default_factory=dict)
    """Each process's memory, by stage."""
    loads: list[float] = field(default_factory=list)
    """The machine's load averages, for all that takes time takes longer on a busy one."""
    skipped: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        return all(row.is_kept for row in self.rows)


@dataclass(frozen=True, slots=True)
class Course:
    """How long a stage goes on, in which order it strikes, and with which cases."""

    seconds: float
    random: Random
    only: str = ""
    """What the names of its cases contain."""


def main() -> int:
    """Run the stages, and print and write what they have found."""
    asked = arguments()
    if asked.told is not None:
        kept = [row for file in asked.told for row in of_json(json.loads(file.read_bytes()))]
        print(*table(together(kept)), sep="\n")
        return 0
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    stages = asked.stage or list(SHARES)
    print(f"seed {seed}, {asked.minutes:g} minutes, stages {', '.join(stages)}", flush=True)
    outcome, began = Outcome(), datetime.now(UTC)
    whole = sum(SHARES[name] for name in stages)
    for name in stages:
        seconds = asked.minutes * 60 * SHARES[name] / whole
        with tempfile.TemporaryDirectory(prefix=f"soak_{name}_") as folder:
            course = Course(seconds=seconds, random=Random(f"{seed} {name}"), only=asked.case)
            run_stage(name, Path(folder), outcome, course)
    print(*table(outcome.rows), sep="\n")
    killed = sum(row.killed for row in outcome.rows)
    print(f"{killed} processes killed; {outcome.emitted:,} rows emitted, {outcome.stored:,} stored")
    for stage, notes in outcome.memory_mb.items():
        for name, noted in notes.items():
            used = [used_mb for _, used_mb in noted]
            told = f"{used[0]:.0f} MB at first, {max(used):.0f} at most, {used[-1]:.0f} at last"
            print(f"{stage}, {name}: {told}")
    if loads := outcome.loads:
        print(f"{os.cpu_count()} cores, load {median(loads):.0f}, {max(loads):.0f} at most")
    for name in outcome.skipped:
        print(f"SKIPPED: {name}")
    asked.json.write_text(
        json.dumps(
            as_json(
                outcome.rows, seed=seed, minutes=asked.minutes, stages=stages,
                began_at=began.isoformat(), emitted=outcome.emitted, stored=outcome.stored,
                memory_mb=outcome.memory_mb, loads=outcome.loads, skipped=outcome.skipped,
            ),
            indent=2,
        ) + "\n"
    )  # fmt: skip
    return 0 if outcome.is_kept else LOST_OR_FAILED


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="the same seed strikes in the same order")
    parser.add_argument("--stage", action="append", choices=SHARES)
    parser.add_argument("--case", default="", metavar="TEXT", help="do only cases named like this")
    parser.add_argument("--json", type=Path, default=Path("soak.json"))
    parser.add_argument("--told", type=Path, metavar="FILE", nargs="+")
    return parser.parse_args()


def run_stage(name: str, folder: Path, outcome: Outcome, course: Course) -> None:
    """Run one stage; what fails in it is told in its rows."""
    print(f"\n== {name}, {course.seconds / 60:.0f} min", flush=True)
    run: Mapping[str, Callable[[], None]] = {
        "quiet": lambda: quiet(folder, outcome, course.seconds),
        "embedded": lambda: embedded(folder, outcome, course),
        "cloud": lambda: cloud(folder, outcome, course),
        "spring": lambda: change_of_clocks(name, folder, outcome),
        "autumn": lambda: change_of_clocks(name, folder, outcome),
        "secrets": lambda: secret_search(folder, outcome),
    }
    try:
        run[name]()
    except Exception as error:  # noqa: BLE001 (the other stages are run, and the table told)
        failure = f"{type(error).__name__}: {error}"
        outcome.rows.append(Row(case=f"stage {name}", promise="it runs", failures=[failure]))
        print(f"{name}: {failure}", flush=True)


def quiet(folder: Path, outcome: Outcome, seconds: float) -> None:
    """Leave a platform alone, and see that none of its processes grows or ends."""
    began = Struck(
        case="nobody strikes",
        promise="no process grows, and none ends",
        began_at=datetime.now(UTC),
    )
    notes = outcome.memory_mb.setdefault("quiet", {})
    with started(folder / "home") as platform:
        wait_until_flowing(platform)
        restarted = _restarts(platform)
        since = time.monotonic()
        while time.monotonic() - since < max(seconds, LEAST_QUIET_SECONDS):
            memory.note(platform.home, (time.monotonic() - since) / 60, notes)
            outcome.loads.append(os.getloadavg()[0])
            time.sleep(NOTE_SECONDS)
        wrong = [
            *memory.growing(notes),
            *memory.too_large(platform.home),
            *(f"{name} has ended" for name, _ in sorted(_restarts(platform) - restarted)),
        ]
        began.failure = "; ".join(wrong)
        outcome.rows += account_for(platform, [began], outcome)


def _restarts(platform: RunningPlatform) -> set[tuple[str, int]]:
    return {(name, one.restarts) for name, one in platform.processes().items()}


def embedded(folder: Path, outcome: Outcome, course: Course) -> None:
    with started(folder / "home") as platform:
        stage = Stage(
            platform=platform, random=course.random, hold_seconds=hold_seconds(course.seconds)
        )
        strike_and_account("embedded", stage, cases.embedded(), outcome, course)


def cloud(folder: Path, outcome: Outcome, course: Course) -> None:
    missing = [one.MISSING for one in (influx_server, bigquery_server) if not one.is_installed()]
    if missing:
        outcome.skipped += [f"stage cloud: {why}" for why in missing]
        return
    for name in ("bigquery", "influx"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        bigquery = stack.enter_context(bigquery_server.bigquery_server(folder / "bigquery"))
        influx = stack.enter_context(influx_server.influx_process(folder / "influx"))
        settings = bigquery.settings() | influx.settings()
        platform = stack.enter_context(started(folder / "home", settings))
        stores: dict[str, Store] = {"BigQuery": bigquery, "InfluxDB": influx}
        stage = Stage(
            platform=platform,
            random=course.random,
            hold_seconds=hold_seconds(course.seconds),
            stores=stores,
        )
        strike_and_account("cloud", stage, cases.cloud(), outcome, course)


def hold_seconds(seconds: float) -> float:
    """Return how long a fault lasts that lasts, in a stage of so many seconds."""
    return max(LEAST_HOLD_SECONDS, min(HOLD_SECONDS, seconds / 40))


def strike_and_account(
    name: str, stage: Stage, chosen: Sequence[Case], outcome: Outcome, course: Course
) -> None:
    """Do one case after the other until the time is over, then hold the platform to account."""
    wait_until_flowing(stage.platform)
    since, notes = time.monotonic(), outcome.memory_mb.setdefault(name, {})
    struck: list[Struck] = []
    for case in cases.rounds(cases.named(course.only, chosen), stage):
        if (passed := time.monotonic() - since) > course.seconds:
            break
        struck.append(strike(case, stage))
        outcome.loads.append(os.getloadavg()[0])
        memory.note(stage.platform.home, passed / 60, notes)
    try:
        outcome.rows += account_for(stage.platform, struck, outcome)
    except Exception:
        outcome.rows += rows_of(struck)
        raise


def strike(case: Case, stage: Stage) -> Struck:
    """Do a case, wait until the platform is well, and say so."""
    struck = Struck(case=case.name, promise=case.promise, began_at=datetime.now(UTC))
    try:
        killed = case.strike(stage)
        struck.killed, over = len(killed), time.monotonic()
        wait_until_well(stage.platform, killed)
        struck.seconds = time.monotonic() - over
        struck.failure = "; ".join(memory.too_large(stage.platform.home))
    except Exception as error:  # noqa: BLE001 (it is told in the table, and the next case is done)
        struck.failure = f"{type(error).__name__}: {error}"
    said = struck.failure or f"well after {struck.seconds:.0f} s"
    late = struck.seconds is not None and struck.seconds > WELL_WITHIN_SECONDS
    print(f"{struck.began_at:%H:%M:%S} {case.name}: {said}{', late' if late else ''}", flush=True)
    return struck


def account_for(
    platform: RunningPlatform, struck: Sequence[Struck], outcome: Outcome
) -> Iterator[Row]:
    """Hold a platform to account for all its sources; return a row for each case."""
    lost_at: list[datetime] = []
    doubled_at: list[datetime] = []
    invented_at: list[datetime] = []
    for found in accounts(platform):
        outcome.emitted += found.journalled
        outcome.stored += found.stored
        lost_at += found.lost_at
        doubled_at += found.doubled_at
        invented_at += found.invented_at
        wrong = {"lost": found.lost, "invented": found.invented}
        for what, rows in wrong.items():
            if not rows.is_empty():
                print(f"{found.source.name}: {rows.height} {what}: {rows.head(3).to_dicts()}")
        if found.doubled_at:
            print(f"{found.source.name}: {len(found.doubled_at)} doubled")
    yield from rows_of(struck, lost_at=lost_at, doubled_at=doubled_at, invented_at=invented_at)


def change_of_clocks(name: str, folder: Path, outcome: Outcome) -> None:
    """Let a market's clocks be changed while a platform runs."""
    change = CHANGES[name]
    settings = {
        "ENERGY_PLATFORM_SIMULATOR_ORIGIN": (change - BEFORE_THE_CHANGE).isoformat(),
        "ENERGY_PLATFORM_SIMULATOR_SPEED": str(MARKET_SPEED),
    }
    began = Struck(
        case=f"clocks changed in {name}, live",
        promise="each row bears its instant",
        began_at=datetime.now(UTC),
    )
    with started(folder / "home", settings) as platform:
        wait_until_flowing(platform)
        assert platform.market_time() < change, "the platform took too long to start"
        wait_for(
            "change of clocks",
            lambda: platform.market_time() > change + AFTER_THE_CHANGE,
            CHANGED_SECONDS,
        )
        outcome.rows += account_for(platform, [began], outcome)


def secret_search(folder: Path, outcome: Outcome) -> None:
    """Give a platform passwords for everything, and search for them."""
    row = Row(case="secrets", promise="they are in no log, file, page or list of processes")
    row.count, row.failures = 1, planted_secrets.found_after_a_run(folder / "home")
    outcome.rows.append(row)


if __name__ == "__main__":
    sys.exit(main())
