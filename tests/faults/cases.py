"""What is done to a whole platform, and the promise that each case is held to.

A case strikes: it does its harm, and returns when the harm is over. That the platform gets well
again, and lost, doubled and invented nothing, is seen to by `soak`. Harm that needs no whole
platform has tests of its own; docs/faults.md names them all.
"""

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from energy_platform.market.registry import market_sources
from simulator.faults import FaultKind
from tests.faults.stage import Stage, Store
from tests.support.running_platform import script

_MID_RUN_SECONDS: Final = 60.0
_REFUSAL_SECONDS: Final = 120.0
_SLOW_STEP_SECONDS: Final = 0.5
_SUCCESSION: Final = 4
_LONGEST_STEP_SECONDS: Final = 3.0
_LASTING: Final = frozenset({FaultKind.TOO_MANY_REQUESTS, FaultKind.HANG, FaultKind.SURGE})
"""Faults that last; the others are over with the answer that they strike."""
_NEXT_ANSWERS_SECONDS: Final = 10.0
"""How long it takes until the sources that are asked often have been answered anew."""

Strike = Callable[[Stage], set[int]]
"""Does harm until it is over, and returns the ids of the processes that it has killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of harm.

    Attributes:
        name: What is done.
        promise: What holds all the same, beside that no row is lost, doubled or invented.
        strike: Does it.
        times: How often it is done in one round of all cases.
    """

    name: str
    promise: str
    strike: Strike
    times: int = 1


def kill_one(stage: Stage) -> set[int]:
    """Kill a process."""
    return stage.kill([stage.random.choice(stage.names())])


def kill_several(stage: Stage) -> set[int]:
    """Kill several processes at once."""
    names = stage.names()
    return stage.kill(stage.random.sample(names, stage.random.randint(2, len(names))))


def kill_in_succession(stage: Stage) -> set[int]:
    """Kill a process again and again, often before those that were killed are well."""
    killed: set[int] = set()
    for _ in range(_SUCCESSION):
        killed |= kill_one(stage)
        time.sleep(stage.random.uniform(0.0, _LONGEST_STEP_SECONDS))
    return killed


def stop_one(stage: Stage) -> set[int]:
    """Stop a process for a while."""
    with stage.stopped([stage.random.choice(stage.names())]):
        stage.hold()
    return set()


def kill_workers_in_mid_run(stage: Stage) -> set[int]:
    """Kill the workers at any point of a run."""
    runs = stage.platform.home / "dagster" / "history" / "runs.db"
    deadline = time.monotonic() + _MID_RUN_SECONDS
    with closing(sqlite3.connect(f"{runs.as_uri()}?mode=ro", uri=True)) as connection:
        while not connection.execute("SELECT 1 FROM runs WHERE status = 'STARTED'").fetchone():
            assert time.monotonic() < deadline, "no run begins"
            time.sleep(0.002)
    time.sleep(stage.random.uniform(0.0, 0.5))
    return stage.kill(name for name in stage.names() if name.startswith("worker-"))


def empty_the_broker(stage: Stage) -> set[int]:
    """Lose all that the broker holds: runs that wait, and those that workers have taken."""
    with stage.stopped(["broker"]):
        for one in (stage.platform.home / "broker").iterdir():
            if one.is_dir():
                shutil.rmtree(one)
        return stage.kill(["broker"])


def run_a_second_collector(stage: Stage) -> set[int]:
    """Let a second collector take its share of the sources, and kill it."""
    log = stage.platform.home / "logs" / "second_collector.log"
    with log.open("a") as output:
        second = subprocess.Popen(
            [script(), "collect"], env=dict(stage.platform.environment), stdout=output,
            stderr=output,
        )  # fmt: skip
    stage.hold()
    second.kill()
    second.wait()
    return set()


def start_a_second_platform(stage: Stage) -> set[int]:
    """Start the same home again, which is refused."""
    second = subprocess.run(
        [script(), "up"], env=dict(stage.platform.environment), capture_output=True, text=True,
        timeout=_REFUSAL_SECONDS, check=False,
    )  # fmt: skip
    assert second.returncode == 1, second.stdout
    assert "already runs from" in second.stderr, second.stderr
    assert second.stderr.count("\n") == 1, second.stderr
    return set()


def take_the_market_away(stage: Stage) -> set[int]:
    """Let nobody answer any feed for a while."""
    with stage.away("simulator"):
        stage.hold()
    return set()


def let_the_market_fail(stage: Stage, kind: FaultKind, *, count: int = 1) -> set[int]:
    """Let every source's market do something wrong, as far as it can."""
    for name in market_sources():
        stage.platform.ask_fault(name, kind, count=count, seconds=stage.hold_seconds / 2)
    if kind in _LASTING:
        stage.hold()
    else:
        time.sleep(min(stage.hold_seconds, _NEXT_ANSWERS_SECONDS))
    return set()


def take_a_store_away(stage: Stage) -> set[int]:
    """Kill a store's server, and start it again after a while."""
    store = _a_store(stage)
    store.kill()
    try:
        stage.hold()
    finally:
        store.start()
    return set()


def let_a_store_hang(stage: Stage) -> set[int]:
    """Let a store's server take connections and say nothing."""
    with _a_store(stage).stopped():
        stage.hold()
    return set()


def slow_a_store_down(stage: Stage) -> set[int]:
    """Let a store's server work for half of the time, in turns."""
    store, until = _a_store(stage), time.monotonic() + stage.hold_seconds
    while time.monotonic() < until:
        with store.stopped():
            time.sleep(_SLOW_STEP_SECONDS)
        time.sleep(_SLOW_STEP_SECONDS)
    return set()


def _a_store(stage: Stage) -> Store:
    return stage.stores[stage.random.choice(sorted(stage.stores))]


def _fails(kind: FaultKind, *, count: int = 1) -> Strike:
    return partial(let_the_market_fail, kind=kind, count=count)


_BACK: Final = "all processes run again, and new rows are stored"
_AGAIN: Final = "feeds ask again by themselves, and nobody else waits"

PROCESSES: Final = (
    Case(name="SIGKILL of any process", promise=_BACK, strike=kill_one, times=8),
    Case(name="SIGKILL of several at once", promise=_BACK, strike=kill_several, times=4),
    Case(
        name="SIGKILL again before all is well",
        promise=_BACK,
        strike=kill_in_succession,
        times=3,
    ),
    Case(name="SIGSTOP of any process", promise="others go on; it goes on", strike=stop_one),
    Case(
        name="workers killed in mid-run",
        promise="the run fails, and its batch runs again",
        strike=kill_workers_in_mid_run,
        times=2,
    ),
    Case(
        name="the broker emptied",
        promise="what waited is asked for again",
        strike=empty_the_broker,
    ),
)
CALLERS: Final = (
    Case(
        name="two collectors",
        promise="each source has one owner; the first takes all back",
        strike=run_a_second_collector,
    ),
    Case(
        name="two `up`s on one home",
        promise="the second refuses in one line",
        strike=start_a_second_platform,
    ),
)
UPSTREAM: Final = (
    Case(name="upstream: outage", promise=_AGAIN, strike=take_the_market_away),
    Case(
        name="upstream: bans (429)",
        promise="nobody asks a provider that bans",
        strike=_fails(FaultKind.TOO_MANY_REQUESTS),
    ),
    Case(name="upstream: hangs", promise=_AGAIN, strike=_fails(FaultKind.HANG)),
    Case(name="upstream: errors (500)", promise=_AGAIN, strike=_fails(FaultKind.SERVER_ERROR)),
    Case(name="upstream: cut connections", promise=_AGAIN, strike=_fails(FaultKind.CUT)),
    Case(name="upstream: cut bodies", promise=_AGAIN, strike=_fails(FaultKind.TRUNCATED)),
    Case(
        name="upstream: malformed bodies",
        promise="they are in quarantine, the good beside them stored",
        strike=_fails(FaultKind.MALFORMED),
    ),
    Case(
        name="upstream: bad rows",
        promise="they are in quarantine, the good beside them stored",
        strike=_fails(FaultKind.BAD_ROW),
    ),
    Case(
        name="upstream: sequence gaps",
        promise="a new snapshot heals the book",
        strike=_fails(FaultKind.SEQUENCE_GAP, count=2),
    ),
    Case(
        name="upstream: duplicates",
        promise="they are stored once",
        strike=_fails(FaultKind.DUPLICATE, count=5),
    ),
    Case(
        name="upstream: disorder",
        promise="the newest revision counts",
        strike=_fails(FaultKind.REORDERED, count=2),
    ),
    Case(
        name="upstream: half-written files",
        promise="a file is taken when it is whole",
        strike=_fails(FaultKind.HALF_WRITTEN_FILE),
    ),
    Case(
        name="upstream: 100 times the rate",
        promise="memory is bounded, the lag recovers",
        strike=_fails(FaultKind.SURGE),
    ),
)
DOWNSTREAM: Final = (
    Case(
        name="downstream: a store away",
        promise="what lands meanwhile is stored afterwards",
        strike=take_a_store_away,
        times=2,
    ),
    Case(
        name="downstream: a store hangs",
        promise="what lands meanwhile is stored afterwards",
        strike=let_a_store_hang,
    ),
    Case(
        name="downstream: a store is slow",
        promise="what lands meanwhile is stored afterwards",
        strike=slow_a_store_down,
    ),
)


def embedded() -> Sequence[Case]:
    """Return the cases of a platform with embedded stores."""
    return (*PROCESSES, *CALLERS, *UPSTREAM)


def cloud() -> Sequence[Case]:
    """Return the cases of a platform whose stores are servers of their own."""
    return [replace(one, name=f"{one.name}, cloud stores") for one in (*DOWNSTREAM, *PROCESSES)]


def named(text: str, cases: Sequence[Case]) -> Sequence[Case]:
    """Return the cases whose names contain a text.

    Raises:
        ValueError: No case's name does.
    """
    if chosen := [one for one in cases if text in one.name]:
        return chosen
    message = f"no case is named like {text!r}"
    raise ValueError(message)


def rounds(cases: Sequence[Case], stage: Stage) -> Iterator[Case]:
    """Yield all cases, each as often as it is wanted, in random order, again and again."""
    while True:
        of_a_round = [case for case in cases for _ in range(case.times)]
        stage.random.shuffle(of_a_round)
        yield from of_a_round
