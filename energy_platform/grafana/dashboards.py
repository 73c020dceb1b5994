"""One dashboard per market group: a row per source, a panel per unit, a choice per tag.

The last value of a line is the newest one only where values are of the past. A source whose values
are of periods to come has a panel of its own with the values that hold now.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from grafana_foundation_sdk.builders import dashboard, stat, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from energy_platform.grafana.influxql import (
    DATA_SOURCE,
    InfluxQuery,
    held_now,
    lines,
    tag_values,
)
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.market.units import unit_of
from energy_platform.pipeline.tables import measurement

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WIDTH: Final = 12
"""Two panels side by side, in the 24 columns of Grafana's grid."""
_HEIGHT: Final = 9

_EVENT_TAGS: Final = frozenset({"bid_rank", "order_id", "outage_id", "trade_id"})
"""Tags with another value for each event: they mark points of one line, not lines."""

_SPANS: Final[Mapping[MarketGroup, tuple[str, str]]] = {
    MarketGroup.AUCTIONS: ("now-2d", "now+2d"),
    MarketGroup.INTRADAY: ("now-6h", "now+1d"),
    MarketGroup.GRID: ("now-1d", "now+1h"),
    MarketGroup.GAS: ("now-7d", "now+1d"),
    MarketGroup.WEATHER: ("now-1d", "now+5d"),
}
"""The first time range of each group; results and forecasts lie in the future."""


def market_dashboards(sources: Iterable[MarketSource]) -> dict[str, Dashboard]:
    """Return each market group's dashboard by the name of its file.

    Grafana does not know which portfolios its users may see, so it shows no source of portfolios.
    """
    public = [source for source in sources if source.entitlement is None]
    by_group = sorted(public, key=lambda source: (source.group, source.name))
    return {
        group.value: _market_dashboard(group, list(members))
        for group, members in groupby(by_group, key=lambda source: source.group)
    }


def new_dashboard(uid: str, title: str, span: tuple[str, str]) -> dashboard.Dashboard:
    """Return an empty dashboard with the platform's common settings."""
    return (
        dashboard.Dashboard(title)
        .uid(f"energy-platform-{uid}")
        .tags(["energy-platform", "generated"])
        .readonly()
        .timezone("browser")
        .time(*span)
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
    )


def line_panel(
    title: str,
    unit: str | None,
    targets: Sequence[Builder[Dataquery]],
    *,
    calculated: Sequence[str] = ("lastNotNull",),
    asks: DataSourceRef = DATA_SOURCE,
) -> timeseries.Panel:
    """Return a panel of lines, with figures of each in its legend, by default its last value."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(asks)
        .span(_WIDTH)
        .height(_HEIGHT)
        .draw_style(GraphDrawStyle.LINE)
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT)
            .calcs([*calculated])
            .show_legend(show_legend=True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if unit is not None:
        panel = panel.unit(f"suffix: {unit}")
    for target in targets:
        panel = panel.with_target(target)
    return panel


def _market_dashboard(group: MarketGroup, sources: Sequence[MarketSource]) -> Dashboard:
    title = f"Markets: {group.value}"
    whole = new_dashboard(group.value, title, _SPANS[group])
    for tag in sorted({tag for source in sources for tag in series_tags(source)}):
        whole = whole.with_variable(_choice(tag, sources))
    for source in sources:
        whole = whole.with_row(dashboard.Row(source.name))
        for panel in _panels(source):
            whole = whole.with_panel(panel)
    return whole.build()


def series_tags(source: MarketSource) -> list[str]:
    """Return the tags that tell a source's lines apart."""
    return [tag for tag in measurement(source).tags if tag not in _EVENT_TAGS]


def _choice(tag: str, sources: Sequence[MarketSource]) -> dashboard.QueryVariable:
    measured = [source.name for source in sources if tag in series_tags(source)]
    return (
        dashboard.QueryVariable(tag)
        .label(tag.replace("_", " "))
        .datasource(DATA_SOURCE)
        .query(tag_values(measured, tag))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _panels(source: MarketSource) -> Iterable[timeseries.Panel | stat.Panel]:
    """Yield a panel per unit of a source's numbers, and one of those that hold now."""
    tags = series_tags(source)
    lies_ahead = not issubclass(source.rows, InstantRows)
    fields = sorted(source.plotted, key=lambda name: unit_of(name) or "")
    for unit, together in groupby(fields, key=unit_of):
        names = list(together)
        drawn = _targets(source, names, tags, lines)
        described = names[0] if len(names) == 1 else f"{source.name} in {unit or 'numbers'}"
        calculated = ["min", "max"] if lies_ahead else ["lastNotNull"]
        panel = line_panel(described, unit, drawn, calculated=calculated)
        yield panel.description(source.description)
        if lies_ahead:
            yield _now_panel(described, unit, _targets(source, names, tags, held_now))


def _targets(
    source: MarketSource,
    fields: Sequence[str],
    tags: Sequence[str],
    query: Callable[[str, str, Sequence[str]], str],
) -> list[InfluxQuery]:
    """Return a target for each field, whose series are named by their tags."""
    legend = " ".join(f"$tag_{tag}" for tag in tags)
    return [
        InfluxQuery(
            ref_id=letter,
            query=query(source.name, name, tags),
            alias=" ".join(part for part in (name if len(fields) > 1 else "", legend) if part)
            or name,
        )
        for letter, name in zip(_LETTERS, fields, strict=False)
    ]


def _now_panel(title: str, unit: str | None, targets: Sequence[InfluxQuery]) -> stat.Panel:
    """Return a panel of the values that hold now."""
    panel = (
        stat.Panel()
        .title(f"{title}, now")
        .datasource(DATA_SOURCE)
        .span(_WIDTH)
        .height(_HEIGHT)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .graph_mode(BigValueGraphMode.NONE)
    )
    if unit is not None:
        panel = panel.unit(f"suffix: {unit}")
    for target in targets:
        panel = panel.with_target(target)
    return panel
