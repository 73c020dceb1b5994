"""The platform's own metrics for Prometheus: the state of sources, processes and disks.

The values are those of `energy-platform status`, read again for each scrape. Market data is not
among them; it is in the stores.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from energy_platform.operations.disk_space import DiskSpace
from energy_platform.operations.live_bus import LiveBusStatus
from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.operations.supervision.supervisor import ProcessStatus

_KEPT_SECONDS: Final = 5.0
"""Scrapes within this time get the same answer; reading costs a query per source."""

_RUNNING: Final = "RUNNING"

_log = logging.getLogger(__name__)
_Said = TypeVar("_Said", SourceStatus, ProcessStatus, DiskSpace, LiveBusStatus)


@dataclass(frozen=True, slots=True)
class SourceGauge:
    """A number of every source; None leaves it out."""

    name: str
    says: str
    of: Callable[[SourceStatus], float | None]


def _backlog(landed_offset: int | None, reached: int | None) -> float | None:
    return None if landed_offset is None or reached is None else max(0, landed_offset - reached)


def _unless_unknown(status: SourceStatus, *, is_so: bool) -> float | None:
    return None if status.state is SourceState.UNKNOWN else float(is_so)


SOURCE_GAUGES: Final[Sequence[SourceGauge]] = (
    SourceGauge(
        "energy_platform_source_lag_seconds",
        "How long ago, in market time, the newest moment was that the platform knows of.",
        lambda status: status.lag_seconds,
    ),
    SourceGauge(
        "energy_platform_source_expected_lag_seconds",
        "How long ago it may be, or how long after its time a publication may come.",
        lambda status: status.expected_lag_seconds,
    ),
    SourceGauge(
        "energy_platform_source_late",
        "1 where the source is late by its own file.",
        lambda status: _unless_unknown(status, is_so=status.late is not None),
    ),
    SourceGauge(
        "energy_platform_source_flowing",
        "1 where the feed runs and nothing is late.",
        lambda status: float(status.state is SourceState.FLOWING),
    ),
    SourceGauge(
        "energy_platform_source_unanswered_questions",
        "Questions that the provider does not answer while it answers others.",
        lambda status: len(status.unanswered),
    ),
    SourceGauge(
        "energy_platform_source_rows",
        "Rows in the warehouse, every revision counted.",
        lambda status: status.rows,
    ),
    SourceGauge(
        "energy_platform_source_quarantined_rows",
        "Rows and messages in quarantine.",
        lambda status: status.quarantined,
    ),
    SourceGauge(
        "energy_platform_source_quarantine_ratio",
        "Which part of what was checked in the last hour went to quarantine.",
        lambda status: status.quarantine_rate,
    ),
    SourceGauge(
        "energy_platform_source_backlog_messages",
        "Messages that have landed and are not in the warehouse.",
        lambda status: _backlog(status.landed_offset, status.committed_offset),
    ),
    SourceGauge(
        "energy_platform_source_hot_backlog_messages",
        "Messages that have landed and are not in the hot copy.",
        lambda status: _backlog(status.landed_offset, status.hot_offset),
    ),
    SourceGauge(
        "energy_platform_source_live_bus_backlog_messages",
        "Messages that have landed and were not announced on the live bus.",
        lambda status: _backlog(status.landed_offset, status.announced_offset),
    ),
    SourceGauge(
        "energy_platform_source_hot_copy_behind",
        "1 where dashboards lack rows that the warehouse has.",
        lambda status: _unless_unknown(status, is_so=bool(status.hot_copy_behind)),
    ),
    SourceGauge(
        "energy_platform_source_unknown",
        "1 where what is stored of the source can't be read.",
        lambda status: float(status.state is SourceState.UNKNOWN),
    ),
    SourceGauge(
        "energy_platform_source_blocked",
        "1 where messages wait and no batch makes progress.",
        lambda status: _unless_unknown(status, is_so=bool(status.blocked)),
    ),
    SourceGauge(
        "energy_platform_source_batch_failures",
        "How many of the newest batches in a row have failed.",
        lambda status: float(status.batch_failures),
    ),
    SourceGauge(
        "energy_platform_source_landing_damage",
        "Files of its landing log that could not be read: the newest, and those of 90 days.",
        lambda status: float(bool(status.landing_damage) + status.lost_segments),
    ),
    SourceGauge(
        "energy_platform_source_drifted",
        "1 where the newest batch differs from the accepted layout.",
        lambda status: float(bool(status.drift)),
    ),
)


class PlatformMetrics(Collector):
    """Answers a scrape.

    Args:
        sources: Returns the status of every source.
        processes: Returns the status of every supervised process.
        disks: Returns the room left on each disk.
        live_bus: Returns the status of the live bus, where there is one.
    """

    def __init__(
        self,
        sources: Callable[[], Sequence[SourceStatus]],
        processes: Callable[[], Sequence[ProcessStatus]],
        disks: Callable[[], Sequence[DiskSpace]] = lambda: (),
        live_bus: Callable[[], Sequence[LiveBusStatus]] = lambda: (),
    ) -> None:
        self._sources = sources
        self._processes = processes
        self._disks = disks
        self._live_bus = live_bus
        self._lock = threading.Lock()
        self._kept: tuple[float, list[Metric]] | None = None

    def registry(self) -> CollectorRegistry:
        """Return a registry of these metrics alone."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads no store."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, at most a few seconds old."""
        with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] > _KEPT_SECONDS:
                self._kept = (
                    now,
                    [
                        *self._told(_of_sources, self._sources),
                        *self._told(_of_processes, self._processes),
                        *self._told(_of_disks, self._disks),
                        *self._told(_of_live_bus, self._live_bus),
                    ],
                )
            return self._kept[1]

    def _told(
        self, of: Callable[[Sequence[_Said]], Iterable[Metric]], look: Callable[[], Sequence[_Said]]
    ) -> list[Metric]:
        """Return some of the metrics; none if reading them fails, so that the others remain."""
        try:
            return list(of(look()))
        except Exception:  # noqa: BLE001 (the other metrics are still served)
            _log.exception("some metrics are left out")
            return []


def _of_sources(statuses: Sequence[SourceStatus]) -> Iterable[Metric]:
    for gauge in SOURCE_GAUGES:
        family = GaugeMetricFamily(gauge.name, gauge.says, labels=["source", "group", "protocol"])
        for status in statuses:
            value = gauge.of(status)
            if value is not None:
                family.add_metric([status.name, status.group, status.protocol], value)
        yield family


def _of_processes(statuses: Sequence[ProcessStatus]) -> Iterable[Metric]:
    up = GaugeMetricFamily(
        "energy_platform_process_up", "1 where the process runs.", labels=["process"]
    )
    restarts = CounterMetricFamily(
        "energy_platform_process_restarts", "How often it was started again.", labels=["process"]
    )
    cpu = CounterMetricFamily(
        "energy_platform_process_cpu_seconds", "CPU time, its children's too.", labels=["process"]
    )
    memory = GaugeMetricFamily(
        "energy_platform_process_memory_bytes", "Resident memory, its children's too.",
        labels=["process"],
    )  # fmt: skip
    opened = GaugeMetricFamily(
        "energy_platform_process_open_files", "Open file descriptors, its children's too.",
        labels=["process"],
    )  # fmt: skip
    for status in statuses:
        up.add_metric([status.name], float(status.state == _RUNNING))
        restarts.add_metric([status.name], status.restarts)
        used = _used(status.pid)
        if used is not None:
            cpu.add_metric([status.name], used[0])
            memory.add_metric([status.name], used[1])
            opened.add_metric([status.name], used[2])
    yield from (up, restarts, cpu, memory, opened)


def _of_disks(spaces: Sequence[DiskSpace]) -> Iterable[Metric]:
    free = GaugeMetricFamily(
        "energy_platform_disk_free_bytes", "Room on the disk of a folder.", labels=["folder"]
    )
    files = GaugeMetricFamily(
        "energy_platform_disk_free_files", "How many more files fit on the disk of a folder.",
        labels=["folder"],
    )  # fmt: skip
    for space in spaces:
        free.add_metric([str(space.folder)], space.free_bytes)
        if space.free_files is not None:
            files.add_metric([str(space.folder)], space.free_files)
    yield from (free, files)
    available = psutil.virtual_memory().available
    yield GaugeMetricFamily(
        "energy_platform_memory_available_bytes", "Memory that programs can still have.", available
    )


def _of_live_bus(buses: Sequence[LiveBusStatus]) -> Iterable[Metric]:
    prefix = "energy_platform_live_bus"
    for bus in buses:
        yield GaugeMetricFamily(f"{prefix}_up", "1 where it answers.", float(bus.is_up))
        yield CounterMetricFamily(
            f"{prefix}_published", "Ranges of landing offsets that were published.", bus.published
        )
        yield CounterMetricFamily(
            f"{prefix}_publish_failures", "Ranges that could not be published.", bus.failures
        )
        figures = bus.figures
        for name, says, value in (
            ("entries", "Entries that it keeps.", figures.entries),
            ("used_bytes", "Memory that it takes.", figures.used_bytes),
            ("bound_bytes", "Memory that it may take.", figures.bound_bytes),
            ("followers", "Connections that follow it.", figures.followers),
        ):
            if value is not None:
                yield GaugeMetricFamily(f"{prefix}_{name}", says, value)
        if figures.dropped_followers is not None:
            yield CounterMetricFamily(
                f"{prefix}_dropped_followers",
                "Followers that were disconnected, being too slow.",
                figures.dropped_followers,
            )


def _used(pid: int) -> tuple[float, float, float] | None:
    """Return a process family's CPU seconds, resident bytes and open descriptors.

    None if it has just ended.
    """
    try:
        members = family(pid)
        memory = sum(one.memory_info().rss for one in members)
        return cpu_seconds(members), memory, sum(one.num_fds() for one in members)
    except psutil.Error:
        return None


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(members: Iterable[psutil.Process]) -> float:
    """Return the CPU time of processes, their ended children's included."""
    times = [one.cpu_times() for one in members]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)
