"""Whether the platform stays as quick as on its first day, after 90 days of history.

    python benchmarks/flat.py [--days 90] [--json flat.json]

Builds a home day by day with the real parts: messages land, Dagster runs process them as
micro-batches, the upkeep's jobs compact and delete. A day is compressed: it has the messages and
corrections of a market day of two sources, and 12 runs of each. Runs are kept for two hours of it.
The benchmark copies the home after the first day, and after the 31st for the question about a
month. At the end it measures the homes in turn, each time in a new process, so that all meet the
same machine. It prints the later home's median divided by the earlier one's.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import httpx
import psutil
import stamina
import yaml
from dagster import AssetKey, DagsterInstance, RunRequest, build_sensor_context

from benchmarks.figures import Figure, print_table, write_json
from energy_platform.market.raw_message import RawMessage
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.storage.landing import LandingWriter
from tests.support.feeds import free_ports

FREQUENCY: Final = "energy_charts_frequency"
PRICE: Final = "energy_charts_price"
GROUPS: Final = {FREQUENCY: "grid", PRICE: "auctions"}
ZONES: Final = ("DE-LU", "AT", "BE", "CH", "CZ", "DK1", "FR", "HU", "NL", "PL")
RUNS_A_DAY: Final = 12
QUARTERS: Final = 96
CORRECTED_ZONES: Final = 2
MONTH_DAYS: Final = 30
WANTED_RATIO: Final = 1.2
BATCHES: Final = 20
ANSWERS: Final = 5
ROUNDS: Final = 3
UI_QUERIES: Final = {
    "assets": """{ assetNodes { assetKey { path } groupName
        assetMaterializations(limit: 1) { timestamp metadataEntries { label } } } }""",
    "runs": "{ runsOrError(limit: 25) { ... on Runs { results { runId status startTime } } } }",
    "events": """{ assetOrError(assetKey: { path: ["energy_charts_price"] }) { ... on Asset {
        assetMaterializations(limit: 50) { timestamp runId } } } }""",
}
QUESTIONS: Final = ("start-up", "tick", "micro-batch", "load of a day", *UI_QUERIES, "memory")
UNITS: Final = {"memory": "MB"}


def main() -> None:
    """Build the history, measure the homes in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", metavar="HOME", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        homes = history(Path(folder), arguments.days)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in homes}
        for _ in range(ROUNDS):
            for name, home in homes.items():
                found[name].append(in_a_process(home))
        figures = compared(found)
        print_table(figures)
        for name, home in homes.items():
            print(f"{name}: {sizes(home)}")
        if arguments.json:
            write_json(figures, arguments.json)


def history(folder: Path, days: int) -> dict[str, Path]:
    """Build these days; return the home of the last, and copies of earlier ones, by name."""
    homes = {"last": folder / "last"}
    with environment(homes["last"]), opened_instance() as instance:
        first = midnight() - timedelta(days=days)
        for number in range(days):
            live_a_day(instance, first + timedelta(days=number))
            if number + 1 in {1, MONTH_DAYS + 1} and number + 1 < days:
                name = f"day {number + 1}"
                homes[name] = folder / name.replace(" ", "_")
                shutil.copytree(homes["last"], homes[name])
    return homes


def live_a_day(instance: DagsterInstance, day: datetime) -> None:
    """Land a day's messages run by run, store them, and do the upkeep."""
    from definitions import defs  # noqa: PLC0415 (the environment names the home to open)
    from energy_platform.pipeline.stores import micro_batches  # noqa: PLC0415
    from sensors.upkeep import forget_finished_runs  # noqa: PLC0415

    began = datetime.now(UTC)
    writers = {name: micro_batches().landing.writer(name) for name in GROUPS}
    for number in range(RUNS_A_DAY):
        at = day + number * timedelta(days=1) / RUNS_A_DAY
        writers[FREQUENCY].append([frequency(at)], cursor=None)
        writers[PRICE].append(prices(at), cursor=None)
        for name, group in GROUPS.items():
            run = defs.resolve_job_def(f"{group}_micro_batch").execute_in_process(
                instance=instance, asset_selection=[AssetKey(name)]
            )
            if not run.success:
                raise SystemExit(f"a run of {name} failed")
    # Rows and messages of simulated markets go after some days; those of real markets stay.
    (Path(os.environ["ENERGY_PLATFORM_HOME"]) / "landing_is_simulated").unlink(missing_ok=True)
    for upkeep in ("table_upkeep", "landing_upkeep"):
        defs.resolve_job_def(upkeep).execute_in_process(instance=instance)
    # Two hours of a day's runs are kept, as by default.
    now = datetime.now(UTC)
    keep = (now - began) * 2 / 24
    forget_finished_runs(instance, now=now, keep=keep, keep_failed=keep)


def frequency(at: datetime) -> RawMessage:
    """Return the grid's frequency until the next run, one value per second."""
    first, seconds = int(at.timestamp()), 86_400 // RUNS_A_DAY
    values = random.Random(first)
    body = {
        "unix_seconds": list(range(first, first + seconds)),
        "data": [round(values.gauss(50.0, 0.02), 3) for _ in range(seconds)],
    }
    return message(body, at + timedelta(seconds=seconds), {"region": "DE-Freiburg"})


def prices(at: datetime) -> list[RawMessage]:
    """Return tomorrow's prices: of all zones at noon, afterwards corrections of some."""
    tomorrow = at.replace(hour=0) + timedelta(days=1)
    chosen = random.Random(int(at.timestamp()))
    zones = ZONES if at.hour == 12 else chosen.sample(ZONES, CORRECTED_ZONES)
    seconds = [int(tomorrow.timestamp()) + 900 * quarter for quarter in range(QUARTERS)]
    return [
        message(
            {
                "unix_seconds": seconds,
                "price": [round(chosen.gauss(80.0, 30.0), 2) for _ in seconds],
                "unit": "EUR / MWh",
            },
            at,
            {"bzn": zone},
        )
        for zone in zones
    ]


def message(body: object, at: datetime, context: Mapping[str, str]) -> RawMessage:
    """Return a message of this body."""
    return RawMessage(body=json.dumps(body).encode(), received_at=at, context=dict(context))


def in_a_process(home: Path) -> dict[str, float]:
    """Measure a home in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", home],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(home: Path) -> dict[str, float]:
    """Return the cost of each thing in a home: CPU in ms, except for the memory."""
    with environment(home), opened_instance() as instance:
        from definitions import defs  # noqa: PLC0415
        from energy_platform.pipeline.stores import micro_batches  # noqa: PLC0415
        from energy_platform.reading.library import load  # noqa: PLC0415
        from resources import Platform  # noqa: PLC0415

        sensor = defs.resolve_sensor_def("grid_sensor")

        def tick() -> None:
            with build_sensor_context(
                instance=instance, resources={"platform": Platform()}
            ) as context:
                asked = sensor(context)
            if isinstance(asked, RunRequest):
                raise SystemExit("the home is not at rest")

        tick()
        found = {"start-up": time.process_time() * 1000}
        found["tick"] = cpu_ms(tick, BATCHES)
        last = midnight()
        writer = micro_batches().landing.writer(FREQUENCY)
        found["micro-batch"] = median(
            batch_ms(writer, last + timedelta(minutes=number)) for number in range(BATCHES)
        )
        end = newest(PRICE)
        found["load of a day"] = cpu_ms(
            lambda: load(PRICE, start=end - timedelta(days=1), end=end), ANSWERS
        )
        month = end - timedelta(days=MONTH_DAYS)
        found["as_of of a month"] = cpu_ms(
            lambda: load(PRICE, start=month, end=end, as_of="D-1 14:00 Europe/Berlin"), ANSWERS
        )
        found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found |= ui()
    return found


def newest(source: str) -> datetime:
    """Return the end of the last day that a source has values for."""
    from energy_platform.reading.library import scan  # noqa: PLC0415

    latest = scan(source).select("delivery_end").max().collect().item()
    if not isinstance(latest, datetime):
        raise SystemExit(f"{source} is empty")
    return latest


def batch_ms(writer: LandingWriter, at: datetime) -> float:
    """Land a minute of frequency, and return the cost of its micro-batch."""
    from energy_platform.market.registry import market_source  # noqa: PLC0415
    from energy_platform.pipeline.stores import micro_batches  # noqa: PLC0415

    first = int(at.timestamp()) + random.SystemRandom().randrange(10**6)
    body = {"unix_seconds": list(range(first, first + 60)), "data": [50.0] * 60}
    writer.append([message(body, datetime.now(UTC), {"region": "DE-Freiburg"})], cursor=None)
    began = time.process_time()
    micro_batches().run(market_source(FREQUENCY))
    return (time.process_time() - began) * 1000


def cpu_ms(work: Callable[[], object], times: int) -> float:
    """Return the median CPU of some work, once it is warm."""
    work()
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) * 1000)
    return median(taken)


def ui() -> dict[str, float]:
    """Return the cost of the UI's main queries in Dagster's webserver."""
    with webserver() as (url, process):

        def ask(query: str) -> None:
            answer = httpx.post(f"{url}/graphql", json={"query": query}, timeout=120).json()
            if "errors" in answer:
                raise SystemExit(answer["errors"])

        found = {}
        for name, query in UI_QUERIES.items():
            ask(query)
            began = cpu_seconds(process)
            for _ in range(ANSWERS):
                ask(query)
            found[name] = (cpu_seconds(process) - began) / ANSWERS * 1000
    return found


@contextmanager
def webserver() -> Iterator[tuple[str, psutil.Process]]:
    """Run Dagster's webserver on a free port while the context lasts."""
    [port] = free_ports(1)
    command = [
        *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", f"{port}"),
        *("-m", "definitions", "-d", str(PROJECT)),
    ]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as process:
        try:
            for attempt in stamina.retry_context(httpx.TransportError, timeout=300, attempts=None):
                with attempt:
                    httpx.get(f"http://127.0.0.1:{port}/server_info").raise_for_status()
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        finally:
            process.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU of a process and of its descendants."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def compared(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Figure]:
    """Return the later home's medians divided by the earlier one's."""
    middle = {
        name: {what: median(one[what] for one in each) for what in each[0]}
        for name, each in found.items()
    }
    last = middle["last"]
    pairs = [(what, "day 1") for what in QUESTIONS]
    pairs += [("as_of of a month", f"day {MONTH_DAYS + 1}")]
    return [
        Figure(
            what=what,
            value=last[what] / middle[since][what],
            unit=f"times {since}'s",
            wanted=WANTED_RATIO,
            note=f"{middle[since][what]:,.1f}, then {last[what]:,.1f} {UNITS.get(what, 'ms CPU')}",
        )
        for what, since in pairs
        if since in middle
    ]


def sizes(home: Path) -> str:
    """Return files and bytes of each folder of a home."""
    told = []
    for folder in sorted(one for one in home.iterdir() if one.is_dir()):
        files = [one for one in folder.rglob("*") if one.is_file()]
        size = sum(one.stat().st_size for one in files) / 2**20
        told.append(f"{folder.name} {len(files):,} files {size:,.1f} MB")
    return ", ".join(told)


def midnight() -> datetime:
    """Return the beginning of the day (UTC)."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@contextmanager
def environment(home: Path) -> Iterator[None]:
    """Name a home in the environment while the context lasts, for code that reads it there."""
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    chosen = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    del chosen["run_launcher"]  # runs are executed in this process
    (home / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(chosen))
    os.environ |= {
        "ENERGY_PLATFORM_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "ENERGY_PLATFORM_DAGSTER_STORAGE": str(home / "dagster" / "events"),
    }
    yield


@contextmanager
def opened_instance() -> Iterator[DagsterInstance]:
    """Open the home's Dagster instance while the context lasts."""
    with DagsterInstance.get() as instance:
        yield instance


if __name__ == "__main__":
    main()
