"""Runs this collector's feeds side by side in one process, and reports each feed's status."""

import asyncio
import json
import logging
import signal
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Final

from polars.exceptions import PanicException
from pydantic import TypeAdapter

from energy_platform.errors import StateUnavailableError
from energy_platform.ingest.collector.ownership import Ownership
from energy_platform.ingest.collector.shared_status import SharedStatus
from energy_platform.ingest.collector.source_task import (
    FeedState,
    FeedStatus,
    SourceTask,
    Taken,
    Witness,
)
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_landing, open_leases, open_warehouse
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings, StatePlace, WarehouseKind

_log = logging.getLogger(__name__)

_THREADS: Final = 64
"""More threads than sources, so that a thread that waits for one provider holds up no other."""
_REPORT_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STATUS: Final = TypeAdapter(FeedStatus)
_WRITTEN: Final = TypeAdapter(dict[str, object])


def feed_statuses(place: StatePlace) -> dict[str, FeedStatus]:
    """Return the last feed statuses that collectors wrote; empty before one ran.

    A feed that this machine's collector doesn't run has the status that another's wrote, where they
    share a database. A feed whose status can't be read is left out; it is rewritten each second.
    """
    own = _own_statuses(place.home)
    if place.url is None:
        return own
    try:
        others = dict(_readable(SharedStatus(place).read()))
    except StateUnavailableError as error:
        _log.warning("the status of other machines' feeds can't be read: %s", error)
        return own
    running = {name: one for name, one in own.items() if one.state is not FeedState.STANDBY}
    return own | others | running


def _own_statuses(home: Path) -> dict[str, FeedStatus]:
    file = _status_file(home)
    if not file.exists():
        return {}
    try:
        written = _WRITTEN.validate_json(file.read_bytes())
    except ValueError as error:
        _log.warning("the feeds' status can't be read: %s is not its form (%s)", file, error)
        return {}
    return dict(_readable(written))


def _readable(written: Mapping[str, object]) -> Iterator[tuple[str, FeedStatus]]:
    for name, status in written.items():
        try:
            yield name, _STATUS.validate_python(status)
        except ValueError as error:
            _log.warning("%s: its feed's status can't be read: %s", name, error)


async def collect(
    settings: Settings, sources: Iterable[MarketSource], witness: Witness | None = None
) -> None:
    """Run this collector's share of `sources` until SIGINT or SIGTERM, then hand it over cleanly.

    Args:
        settings: The settings.
        sources: The market sources.
        witness: Is told what has landed of sources that people hand in.
    """
    zone = open_landing(settings)
    limits = ProviderLimits(settings.state)
    taken = _taken(settings)
    jobs = [
        SourceTask(source, settings, zone, limits, witness=witness, taken=taken)
        for source in sources
    ]
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    # A task that breaks ends the process, which is started again; otherwise its source would be
    # silent for good while the others continue.
    ownership = Ownership(open_leases(settings), settings.home, jobs)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(ownership.run()),
            group.create_task(_report(settings.home, jobs)),
            *(
                [group.create_task(_tell_other_machines(settings.state, jobs))]
                if settings.state_url is not None
                else []
            ),
        ]
        await stopped.wait()
        for task in tasks:
            task.cancel()
    _log.info("the collector has stopped")


def _taken(settings: Settings) -> Taken:
    """Return what says up to where micro-batches have read each log.

    A log whose newest files are missing must go on behind them, or its next messages would be taken
    for those that were read. A remote warehouse is not asked: it would take a second per source.
    """
    if settings.warehouse is not WarehouseKind.DELTA:
        return lambda _: 0
    warehouse = open_warehouse(settings)

    def taken(source: MarketSource) -> int:
        try:
            return warehouse.committed_offset(market_table(source))
        except (Exception, PanicException) as error:  # noqa: BLE001 (what lands must not wait for a table)
            _log.warning("%s: where its table stands can't be read: %s", source.name, error)
            return 0

    return taken


async def _report(home: Path, jobs: list[SourceTask]) -> None:
    """Write every feed's status regularly, so that other processes need not ask this one."""
    file = _status_file(home)
    fresh = file.with_suffix(".new")
    while True:
        statuses = {job.source.name: asdict(job.status) for job in jobs}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(statuses))
            fresh.replace(file)
        except OSError as error:  # feeds matter more than their status
            _log.warning("the feeds' status could not be written: %s", error)
        await asyncio.sleep(_REPORT_SECONDS)


async def _tell_other_machines(place: StatePlace, jobs: list[SourceTask]) -> None:
    """Write the status of the feeds that run here for other machines, less often while it fails."""
    shared, failures = SharedStatus(place), 0
    while True:
        running = {
            job.source.name: asdict(job.status)
            for job in jobs
            if job.status.state is not FeedState.STANDBY
        }
        try:
            await asyncio.to_thread(shared.write, running)
            failures = 0
        except StateUnavailableError as error:
            failures += 1
            _log.warning("other machines are not told the feeds' status: %s", error)
        pause = pause_seconds(
            failures, first_seconds=_REPORT_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        await asyncio.sleep(pause if failures else _REPORT_SECONDS)


def _status_file(home: Path) -> Path:
    return home / "run" / "feeds.json"
