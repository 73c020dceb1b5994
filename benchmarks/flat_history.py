"""Homes with days of history, made with the real parts, a day compressed to a few seconds.

A day has the messages, corrections and bad messages of a market day of two sources, in as many
micro-batches as it has half-hours. Every fourth is a Dagster run; the others are run directly,
which stores the same. The platform's upkeep compacts, merges and deletes after each day. What the
platform keeps for minutes and hours goes with the day that it belongs to: else a home would keep
hundreds of compressed days of it.

`flat` measures the homes.
"""

import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest import mock

import yaml
from dagster import AssetKey, DagsterInstance

from energy_platform.market.instants import microseconds
from energy_platform.market.raw_message import RawMessage
from energy_platform.operations import batch_history
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.storage.landing import LandingWriter, merging
from energy_platform.storage.warehouse import delta

FREQUENCY: Final = "energy_charts_frequency"
PRICE: Final = "energy_charts_price"
GROUPS: Final = {FREQUENCY: "grid", PRICE: "auctions"}
ZONES: Final = ("DE-LU", "AT", "BE", "CH", "CZ", "DK1", "FR", "HU", "NL", "PL")
QUARTERS: Final = 96
CORRECTED_ZONES: Final = 2
BATCHES_A_DAY: Final = 48
BATCHES_A_RUN: Final = 4
STEP: Final = timedelta(days=1) / BATCHES_A_DAY
_BRIEFLY: Final = {
    "delta.logRetentionDuration": "interval 1 second",
    "delta.deletedFileRetentionDuration": "interval 1 second",
}


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that is made of a home while it is made.

    Attributes:
        days: After how many days.
        home: Where the copy goes.
    """

    days: int
    home: Path


def make_home(home: Path, days: int, *, copied: Copied | None = None) -> None:
    """Make a home with so many days of history, the last of which is yesterday."""
    first = midnight() - timedelta(days=days)
    with environment(home), opened_instance() as instance, _compressed() as clock:
        for number in range(days):
            _live_a_day(instance, first + timedelta(days=number), clock)
            if copied is not None and number + 1 == copied.days:
                shutil.copytree(home, copied.home)


class _Clock:
    """The time that the history's batches believe in."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def microseconds(self) -> int:
        """Return the time as the batch history writes it."""
        return microseconds(self.now)


@contextmanager
def _compressed() -> Iterator[_Clock]:
    """Let what is kept for minutes and hours go at once, and the batches follow a clock."""
    clock = _Clock()
    with ExitStack() as patches:
        for target, name, value in (
            (delta, "_CONFIGURATION", delta._CONFIGURATION | _BRIEFLY),  # noqa: SLF001
            (merging, "MERGED_KEPT", timedelta()),
            (batch_history, "_now", clock.microseconds),
        ):
            patches.enter_context(mock.patch.object(target, name, value))
        yield clock


def _live_a_day(instance: DagsterInstance, day: datetime, clock: _Clock) -> None:
    """Land a day's messages batch by batch, store them, and do the upkeep."""
    # The environment names the home that these open.
    from definitions import defs  # noqa: PLC0415
    from energy_platform.market.registry import market_source  # noqa: PLC0415
    from energy_platform.pipeline.hot_lane.lane import bring_up  # noqa: PLC0415
    from resources import Platform  # noqa: PLC0415
    from sensors.upkeep import bound_history  # noqa: PLC0415

    platform, began = Platform(), datetime.now(UTC)
    batches = platform.micro_batches
    writers = {name: batches.landing.writer(name) for name in GROUPS}
    for number in range(BATCHES_A_DAY):
        clock.now = day + number * STEP
        land(writers, clock.now)
        for name, group in GROUPS.items():
            if number % BATCHES_A_RUN:
                platform.run(market_source(name))
                continue
            run = defs.resolve_job_def(f"{group}_micro_batch").execute_in_process(
                instance=instance, asset_selection=[AssetKey(name)]
            )
            if not run.success:
                raise SystemExit(f"a run of {name} failed")
    for name in GROUPS:
        bring_up(batches, market_source(name))
    # Rows and messages of simulated markets go after some days; those of real markets stay.
    (Path(os.environ["ENERGY_PLATFORM_HOME"]) / "landing_is_simulated").unlink(missing_ok=True)
    for upkeep in ("table_upkeep", "landing_upkeep"):
        defs.resolve_job_def(upkeep).execute_in_process(instance=instance)
    platform.history.compact(now=clock.now)
    day_took = datetime.now(UTC) - began
    bound_history(instance, keep=day_took, keep_failed=day_took)


def land(writers: Mapping[str, LandingWriter], at: datetime) -> None:
    """Land what the two sources send in a step of a day."""
    writers[FREQUENCY].append([frequency(at, STEP)], cursor=None)
    writers[PRICE].append(prices(at), cursor=None)


def frequency(at: datetime, step: timedelta) -> RawMessage:
    """Return the grid's frequency from a moment on, one value per second."""
    first, seconds = int(at.timestamp()), int(step.total_seconds())
    values = random.Random(first)
    body = {
        "unix_seconds": list(range(first, first + seconds)),
        "data": [round(values.gauss(50.0, 0.02), 3) for _ in range(seconds)],
    }
    return _message(body, at + step, {"region": "DE-Freiburg"})


def prices(at: datetime) -> list[RawMessage]:
    """Return tomorrow's prices: of all zones at noon, afterwards corrections of some.

    At midnight the provider sends something that is no reply.
    """
    if at.hour == at.minute == 0:
        return [_message({"detail": "try again later"}, at, {"bzn": ZONES[0]})]
    tomorrow = at.replace(hour=0, minute=0) + timedelta(days=1)
    chosen = random.Random(int(at.timestamp()))
    is_noon = (at.hour, at.minute) == (12, 0)
    zones = ZONES if is_noon else chosen.sample(ZONES, CORRECTED_ZONES)
    seconds = [int(tomorrow.timestamp()) + 900 * quarter for quarter in range(QUARTERS)]
    return [
        _message(
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


def _message(body: object, at: datetime, context: Mapping[str, str]) -> RawMessage:
    return RawMessage(body=json.dumps(body).encode(), received_at=at, context=dict(context))


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
    named = {
        "ENERGY_PLATFORM_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "ENERGY_PLATFORM_DAGSTER_STORAGE": str(home / "dagster" / "events"),
    }
    with mock.patch.dict(os.environ, named):
        yield


@contextmanager
def opened_instance() -> Iterator[DagsterInstance]:
    """Open the home's Dagster instance while the context lasts."""
    with DagsterInstance.get() as instance:
        yield instance
