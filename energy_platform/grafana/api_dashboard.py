"""The dashboard that asks the platform's own API, with a token, instead of InfluxDB.

It needs no hot store of Grafana's kind, and shows rows as `ep.load` has them, back to the first
one. Each source that is a set of lines has a panel; books, trades and outages are tables of events
and are left to the platform's own pages.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from grafana_foundation_sdk.builders import dashboard, table, timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from energy_platform.grafana.dashboards import line_panel, new_dashboard, series_tags
from energy_platform.grafana.infinity import API, InfinityQuery, Kind
from energy_platform.market.rows import ForecastRows, InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.market.units import unit_of
from energy_platform.pipeline.tables import measurement

_SPAN: Final = {"start": "${__from:date:iso}", "end": "${__to:date:iso}"}
_MOST_POINTS: Final = "1000"
"""Of each line: its extremes stay, so a screen shows every spike."""
_HEIGHT: Final = 9
_WIDTH: Final = 12
_CONTRACT: Final[dict[str, Kind]] = {
    "name": "string", "delivery_start": "timestamp", "bid_eur_per_mwh": "number",
    "ask_eur_per_mwh": "number", "last_eur_per_mwh": "number", "vwap_eur_per_mwh": "number",
    "volume_mwh": "number", "day_ahead_eur_per_mwh": "number",
}  # fmt: skip
_SOURCE: Final[dict[str, Kind]] = {
    "name": "string", "provider": "string", "protocol": "string", "group": "string",
    "expected_lag_seconds": "number", "terms": "string",
}  # fmt: skip


def api_dashboard(sources: Iterable[MarketSource]) -> Dashboard:
    """Return the dashboard of these sources; a token without portfolios is enough for it."""
    whole = new_dashboard("api", "The platform's API", ("now-2d", "now+1d")).refresh("1m")
    lines = [source for source in sources if source.entitlement is None and _is_lines(source)]
    by_group = sorted(lines, key=lambda source: (source.group, source.name))
    for group, members in groupby(by_group, key=lambda source: source.group):
        whole = whole.with_row(dashboard.Row(group.value))
        for source in members:
            whole = whole.with_panel(_panel(source))
    whole = whole.with_row(dashboard.Row("Contracts and sources"))
    quarters = {"area": "DE-LU", "product": "QH"}
    return (
        whole.with_panel(_table("Quarter-hours in DE-LU", "/api/contracts", _CONTRACT, quarters))
        .with_panel(_table("Sources", "/api/catalogue", _SOURCE, {}, rows="sources"))
        .build()
    )


def _is_lines(source: MarketSource) -> bool:
    """Return whether every tag of a source tells lines apart, and none an event."""
    return set(series_tags(source)) == set(measurement(source).tags)


def _panel(source: MarketSource) -> timeseries.Panel:
    """Return the lines of the numbers that have the unit of a source's first one."""
    unit = unit_of(source.plotted[0])
    numbers = [name for name in source.plotted if unit_of(name) == unit]
    columns: dict[str, Kind] = {
        source.event_time: "timestamp",
        **dict.fromkeys(series_tags(source), "string"),
        **dict.fromkeys(numbers, "number"),
    }
    run = {"run": "latest_each"} if issubclass(source.rows, ForecastRows) else {}
    asked = {**_SPAN, **run, "columns": ",".join(numbers), "max_points": _MOST_POINTS}
    query = InfinityQuery(f"/api/range/{source.name}", columns, asked, is_over_time=True)
    # The last value of what lies ahead is not the newest one.
    calculated = ["lastNotNull"] if issubclass(source.rows, InstantRows) else ["min", "max"]
    panel = line_panel(source.name, unit, [query], calculated=calculated, asks=API)
    return panel.description(source.description)


def _table(
    title: str,
    path: str,
    columns: dict[str, Kind],
    parameters: dict[str, str],
    *,
    rows: str = "rows",
) -> table.Panel:
    query = InfinityQuery(path, columns, parameters, rows)
    panel = table.Panel().title(title).datasource(API).span(_WIDTH).height(_HEIGHT)
    return panel.with_target(query)
