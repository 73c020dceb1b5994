"""A platform run by `energy-platform up`, on any stores, for tests to observe and wait for.

Each test decides what to check; `platform_run` starts a platform without its command line.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil

from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.operations.status import SourceStatus, source_statuses
from energy_platform.operations.supervision.ports import broker_socket, live_bus_socket
from energy_platform.operations.supervision.supervisor import ProcessStatus, Supervisor
from energy_platform.pipeline.hot_copy import hot_points
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table, measurement
from energy_platform.settings import Settings
from energy_platform.storage.hot_store.points import tidy
from simulator.journal import Journal
from tests.support.platform_run import come_to_rest, freeze, pid_of, simulator_controls

START_SECONDS = 900.0
RECOVERY_SECONDS = 300.0
SETTLED_SECONDS = 120.0
"""How long before the market stopped a row must have been emitted to be required."""
FAST = ("energy_charts_frequency", "nord_pool_intraday_order_book", "nord_pool_intraday_trade")
"""Sources that have new rows every few seconds."""
QUIET_SECONDS = 20.0
"""How long nothing may land before the platform counts as at rest."""


@dataclass
class RunningPlatform:
    """A platform that was started by `energy-platform up`.

    Attributes:
        home: Its folder.
        process: The command.
        environment: The environment that it was started with.
        batches: The same stores, opened by the test.
    """

    home: Path
    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    batches: MicroBatches = field(init=False)

    def __post_init__(self) -> None:
        self.batches = open_micro_batches(self.settings)

    @property
    def settings(self) -> Settings:
        """Its settings, from its environment."""
        prefix = "ENERGY_PLATFORM_"
        said = {n.removeprefix(prefix).lower(): v for n, v in self.environment.items()
                if n.startswith(prefix)}  # fmt: skip
        return Settings.model_validate(
            {n: v for n, v in said.items() if n in Settings.model_fields}
        )

    @property
    def dashboard(self) -> str:
        """The address of the traders' screens, as the start has said it."""
        return self._said("Dashboard")

    def _said(self, what: str) -> str:
        printed = re.search(rf"{what}: (\S+)", (self.home / "up.log").read_text())
        assert printed, f"the start has not said where the {what} is"
        return printed[1]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script(), *arguments], env=self.environment, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip

    def sources(self) -> dict[str, SourceStatus]:
        return {one.name: one for one in source_statuses(self.settings, self.batches)}

    def committed(self, names: Iterable[str]) -> dict[str, int]:
        """Return the offset up to which the warehouse holds each of these sources.

        It costs a store far less than `sources`, so it is what a test waits for.
        """
        warehouse = self.batches.warehouse
        return {one: warehouse.committed_offset(market_table(market_source(one))) for one in names}

    def processes(self) -> dict[str, ProcessStatus]:
        return {one.name: one for one in Supervisor(self.home).statuses()}

    def pid(self, name: str) -> int:
        return pid_of(Supervisor(self.home), name)

    def freeze(self) -> datetime:
        """Stop market time; return it."""
        return freeze(self.home)

    def market_time(self) -> datetime:
        """Return the simulated market's time."""
        answer = httpx.get(f"{simulator_controls(self.home)}/state", timeout=60).raise_for_status()
        return datetime.fromisoformat(answer.json()["market_time"])

    def ask_fault(self, source: str, kind: str, *, count: int = 1, seconds: float = 5.0) -> None:
        """Let the simulated market do something wrong; see `simulator.faults`."""
        asked = {"source": source, "kind": kind, "count": count, "seconds": seconds}
        controls = simulator_controls(self.home)
        httpx.post(f"{controls}/faults", json=asked, timeout=60).raise_for_status()

    def query(self, graphql: str) -> Any:
        """Query Dagster's UI server, once it listens."""
        url = f"{self._said('Dagster UI')}/graphql"
        answers: list[Any] = []

        def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.post(url, json={"query": graphql}, timeout=60)
                # While Dagster's server is away, the dashboard before it says so.
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    answers.append(answer.json())
            return bool(answers)

        wait_for("answer of the UI", answered, RECOVERY_SECONDS)
        assert "errors" not in answers[0], answers[0]
        return answers[0]["data"]

    def run_status(self, run_id: str) -> str:
        """Return Dagster's status of a run, e.g. `STARTED`."""
        asked = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
        return str(self.query(asked)["runOrError"]["status"])

    def stored(self, source: MarketSource) -> pl.DataFrame:
        return self.batches.warehouse.scan(market_table(source)).collect()

    def hot(self, source: MarketSource) -> pl.DataFrame:
        return self.batches.hot_store.read(measurement(source))

    def shown(self, source: MarketSource) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the points that the hot copy must show, and those that it shows.

        The warehouse has the first. The oldest day of the hot store's days is left out, because it
        is about to be deleted; so are points without a value in any field of a dashboard.
        """
        since = datetime.now(UTC) - timedelta(days=self.settings.hot_days - 1)
        recent = pl.col(source.event_time) >= since
        has_value = pl.any_horizontal(pl.col(source.fields).is_not_null())
        wanted = hot_points(source, self.stored(source)).filter(recent & has_value)
        return tidy(measurement(source), wanted), self.hot(source).filter(recent)

    def agrees(self, source: MarketSource) -> bool:
        """Return whether the hot copy shows just the points that it must show."""
        wanted, points = self.shown(source)
        columns = points.columns
        return points.sort(columns).equals(wanted.select(columns).sort(columns))

    def journal(self) -> Journal:
        return Journal(self.home / "simulator" / "journal")


def script() -> str:
    return str(Path(sys.executable).parent / "energy-platform")


def prompt_seconds() -> float:
    """Return how long Ctrl-C may take: 5 s on a machine with nothing else to do, else longer."""
    return 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_for(what: str, condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:.0f} s"
        time.sleep(0.5)


def family(home: Path) -> list[psutil.Process]:
    """Return every process that runs on this home, the broker and the live bus among them.

    Valkey writes over its environment, and so is told by its socket; readers of messages see none.
    """
    sockets = (str(broker_socket(home)), str(live_bus_socket(home)))
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = process.environ().get("ENERGY_PLATFORM_HOME") == str(home)
            if told or any(socket in word for word in process.cmdline() for socket in sockets):
                found |= {process, *process.children(recursive=True)}
    return sorted(found, key=lambda process: process.pid)


@contextmanager
def started(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[RunningPlatform]:
    """Run `energy-platform up` for as long as the context lasts.

    Args:
        home: An empty or missing folder.
        settings: Variables beside those of this process.
    """
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **(settings or {}), "ENERGY_PLATFORM_HOME": str(home)}
    with (home / "up.log").open("w") as output:
        process = subprocess.Popen(
            [script(), "up"], env=environment, stdout=output, stderr=output, text=True
        )
    try:
        yield RunningPlatform(home, process, environment)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def wait_until_flowing(platform: RunningPlatform) -> None:
    """Wait until the start is reported and every source has rows."""
    log = platform.home / "up.log"
    wait_for("word of the UI", lambda: "Dagster UI: http://127.0.0.1" in log.read_text(),
             START_SECONDS)  # fmt: skip
    silent = set(market_sources())

    def flow() -> bool:
        silent.difference_update(name for name, to in platform.committed(silent).items() if to)
        return not silent and all(one.rows for one in platform.sources().values())

    wait_for("rows of every source", flow, START_SECONDS)


def wait_until_everything_fast_has_moved(platform: RunningPlatform) -> None:
    """Wait until the fast sources have landed and stored new rows."""
    before = platform.committed(FAST)
    wait_for(
        "new data",
        lambda: all(now > before[name] for name, now in platform.committed(FAST).items()),
        RECOVERY_SECONDS,
    )


def wait_until_quiet(batches: MicroBatches) -> None:
    """Wait until all that landed is in both stores, and nothing has landed for a while."""
    come_to_rest(batches, quiet_seconds=QUIET_SECONDS, within_seconds=600)
