"""The dashboard of the platform itself: the figures of `status` over time, through Telegraf."""

from collections.abc import Iterable
from typing import Final

from grafana_foundation_sdk.builders import dashboard, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from energy_platform.grafana.dashboards import line_panel, new_dashboard
from energy_platform.grafana.influxql import InfluxQuery

METRICS: Final = "energy_platform"
"""The measurement that deploy/telegraf writes; each metric is a field of it."""

_SOURCE: Final = "source"
_PROCESS: Final = "process"


def platform_dashboard() -> Dashboard:
    """Return the dashboard that engineers watch."""
    whole = new_dashboard("platform", "Energy Platform", ("now-6h", "now"))
    whole = whole.with_row(dashboard.Row("Sources"))
    for panel in _source_panels():
        whole = whole.with_panel(panel)
    whole = whole.with_row(dashboard.Row("Processes"))
    for panel in _process_panels():
        whole = whole.with_panel(panel)
    whole = whole.with_row(dashboard.Row("Live bus"))
    for panel in _live_bus_panels():
        whole = whole.with_panel(panel)
    return whole.build()


def newest(field: str, tag: str) -> str:
    """Ask for the newest value of a metric in each interval, one line per value of a tag."""
    return _metric(f'last("{field}")', tag)


def _metric(selected: str, tag: str) -> str:
    return " ".join(
        [
            f"SELECT {selected}",
            f'FROM "{METRICS}"',
            f"WHERE $timeFilter AND \"{tag}\" != ''",
            f'GROUP BY time($__interval), "{tag}" fill(none)',
        ]
    )


def _untagged(selected: str) -> str:
    """Ask for a metric that the platform has once."""
    return " ".join(
        [
            f"SELECT {selected}",
            f'FROM "{METRICS}"',
            "WHERE $timeFilter",
            "GROUP BY time($__interval) fill(none)",
        ]
    )


def _panel(title: str, unit: str | None, query: str, tag: str) -> timeseries.Panel:
    return line_panel(title, unit, [InfluxQuery(ref_id="A", query=query, alias=f"$tag_{tag}")])


def _source_panels() -> Iterable[timeseries.Panel]:
    prefix = "energy_platform_source_"
    for title, unit, metric in (
        ("Lag", "s", "lag_seconds"),
        ("Late", None, "late"),
        ("Landed and not stored", "messages", "backlog_messages"),
        ("Landed and not shown", "messages", "hot_backlog_messages"),
        ("Dashboards lack rows", None, "hot_copy_behind"),
        ("Part of the last hour in quarantine", None, "quarantine_ratio"),
        ("In quarantine", "rows", "quarantined_rows"),
        ("Layout drifted", None, "drifted"),
    ):
        yield _panel(title, unit, newest(f"{prefix}{metric}", _SOURCE), _SOURCE)
    rate = f'non_negative_derivative(last("{prefix}rows"), 1m)'
    yield _panel("New rows", "rows/min", _metric(rate, _SOURCE), _SOURCE)


def _process_panels() -> Iterable[timeseries.Panel]:
    prefix = "energy_platform_process_"
    cores = f'non_negative_derivative(last("{prefix}cpu_seconds_total"), 1s)'
    yield _panel("CPU", "cores", _metric(cores, _PROCESS), _PROCESS)
    yield _panel("Memory", "B", newest(f"{prefix}memory_bytes", _PROCESS), _PROCESS)
    yield _panel("Restarts", None, newest(f"{prefix}restarts_total", _PROCESS), _PROCESS)
    yield _panel("Up", None, newest(f"{prefix}up", _PROCESS), _PROCESS)


def _live_bus_panels() -> Iterable[timeseries.Panel]:
    prefix = "energy_platform_live_bus_"
    backlog = "energy_platform_source_live_bus_backlog_messages"
    yield _panel("Landed and not announced", "messages", newest(backlog, _SOURCE), _SOURCE)
    per_minute = 'non_negative_derivative(last("{}"), 1m)'
    for title, unit, lines in (
        (
            "Announced",
            "ranges/min",
            {
                "published": per_minute.format(f"{prefix}published_total"),
                "failed": per_minute.format(f"{prefix}publish_failures_total"),
            },
        ),
        (
            "Memory of the live bus",
            "B",
            {
                "used": f'last("{prefix}used_bytes")',
                "bound": f'last("{prefix}bound_bytes")',
            },
        ),
        ("Entries", None, {"entries": f'last("{prefix}entries")'}),
        (
            "Followers",
            None,
            {
                "followers": f'last("{prefix}followers")',
                "dropped": f'last("{prefix}dropped_followers_total")',
            },
        ),
    ):
        queries = [
            InfluxQuery(ref_id=ref_id, query=_untagged(selected), alias=alias)
            for ref_id, (alias, selected) in zip("AB", lines.items(), strict=False)
        ]
        yield line_panel(title, unit, queries)
