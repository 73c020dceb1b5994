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

from energy_platform.ingest.collector.ownership import Ownership
from energy_platform.ingest.collector.source_task import FeedStatus, SourceTask, Taken, Witness
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.stores import open_landing, open_leases, open_warehouse
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings, WarehouseKind

_log = logging.getLogger(__name__)

_THREADS: Final = 64
"""More threads than sources, so that a thread that waits for one provider holds up no other."""
_REPORT_SECONDS: Final = 1.0
_STATUS: Final = TypeAdapter(FeedStatus)
_WRITTEN: Final = TypeAdapter(dict[str, object])


def feed_statuses(home: Path) -> dict[str, FeedStatus]:
    """Return the last feed statuses that the collector of this home wrote; empty before it ran.

    A feed whose status can't be read is left out; the collector rewrites the status each second.
    """
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


def _status_file(home: Path) -> Path:
    return home / "run" / "feeds.json"
