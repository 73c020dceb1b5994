"""What the tables of pages 5 to 9 must show, computed without any code of the dashboard.

Texts stand as a panel's CSV has them; the instant is the one whose knowledge is shown, None is now.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl

import energy_platform as ep
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.operations.status import source_statuses
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import settings
from tests.browser.platform.shown import Figure, Row
from tests.browser.platform.stored_charts import (
    BERLIN,
    DRIVEN,
    HOUR,
    QUARTER,
    ZONE,
    ZONES,
    At,
    around,
    day_of,
    finest,
    in_span,
    newest_outages,
    prices,
)
from tests.browser.platform.stored_market import span

DAY = timedelta(days=1)
LEADS_HOURS = (1, 2, 3, 6, 9, 12, 18, 24, 36)
ARROW, BACK = "\N{RIGHTWARDS ARROW}", "\N{LEFTWARDS ARROW}"
JAO = {"DE": "DE-LU", "IT": "IT-North"}


def day_and_clock(at: datetime) -> str:
    local = at.astimezone(BERLIN)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def latest(source: MarketSource, at: At) -> pl.DataFrame:
    """Return of each series the row that holds: the newest that has begun."""
    now = at or datetime.now(UTC)
    series = [one for one in source.key if one != source.event_time]
    began = ep.load(source.name, as_of=at).filter(pl.col(source.event_time) <= now)
    newest = began.sort(source.event_time)
    return newest.unique(series, keep="last", maintain_order=True) if series else newest.tail(1)


def quarter_prices(at: At, days: int = 0) -> dict[datetime, dict[str, float | None]]:
    """Return the price that holds in each zone in each quarter-hour of a market day."""
    start, end = day_of(at, days)
    loaded = prices(start, end, at, *ZONES)
    starts = pl.datetime_range(start, end, "15m", closed="left", eager=True)
    quarters: dict[datetime, dict[str, float | None]] = {one: {} for one in starts}
    for row in loaded.to_dicts():
        begins = row["delivery_start"]
        while begins < row["delivery_end"]:
            quarters[begins][row["bidding_zone"]] = row["price_eur_per_mwh"]
            begins += QUARTER
    return quarters


def day_ahead(at: At) -> list[Row]:
    return [
        {
            "Delivery": span({"delivery_start": start, "delivery_end": start + QUARTER}),
            **{zone: Figure(held.get(zone)) for zone in ZONES},
        }
        for start, held in quarter_prices(at).items()
    ]


def spreads(at: At) -> list[Row]:
    """Return the mean price of each zone over the day, and how far it is from the others'."""
    quarters = list(quarter_prices(at).values())
    mean = {}
    for zone in ZONES:
        known = [value for one in quarters if (value := one.get(zone)) is not None]
        mean[zone] = sum(known) / len(known) if len(known) == len(quarters) else None
    return [
        {"zone": one, **{other: Figure(_spread(mean, one, other)) for other in ZONES}}
        for one in ZONES
    ]


def _spread(mean: dict[str, float | None], one: str, other: str) -> float | None:
    here, there = mean[one], mean[other]
    return here if one == other else None if here is None or there is None else here - there


def errors_by_lead(at: At) -> list[Row]:
    """Return how far forecasts of a week were from the outcome, by when they were known."""
    driven = pl.col("production_type").is_in(DRIVEN)
    errors = pl.concat([
        _compared(at, ("entsoe_load_forecast", "entsoe_load", "load_mw")),
        _compared(at, ("entsoe_wind_solar_forecast", "entsoe_generation", "power_mw"),
                  of=driven, outcome_of=driven & (pl.col("direction") == "generation")),
    ])  # fmt: skip
    return [
        {
            "series": row["series"],
            "lead h": str(row["lead"]),
            "mean error MW": Figure(row["mean"], 1),
            "bias MW": Figure(row["bias"], 1),
            "mean outcome MW": Figure(row["outcome"], 1),
            "hours compared": str(row["hours"]),
        }
        for row in errors.to_dicts()
    ]


def _compared(
    at: At, pair: tuple[str, str, str],
    *, of: pl.Expr | None = None, outcome_of: pl.Expr | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return mean error, bias and mean outcome by series and lead, over the hours known of both.

    Args:
        at: What was known of outcomes then counts.
        pair: The sources of forecast and outcome, and their column.
        of: Which rows are compared.
        outcome_of: Which of the outcome's rows are, where that says more.
    """
    forecast, outcome, value = pair
    until = at or datetime.now(UTC)
    rows = partial(ep.load, start=until - 7 * DAY, end=until, missing="empty")
    every, in_zone = pl.lit(value=True), pl.col("bidding_zone") == ZONE
    series = pl.lit("Load") if of is None else pl.col("production_type")
    came = hourly(
        rows(outcome, as_of=at).filter(in_zone, every if outcome_of is None else outcome_of),
        value, series,
    )  # fmt: skip
    said = {
        hours: rows(forecast, as_of=timedelta(hours=hours)).filter(in_zone,
                                                                   every if of is None else of)
        for hours in LEADS_HOURS
    }  # fmt: skip
    both = pl.concat([
        hourly(last_said(known), value, series)
        .join(came, on=["series", "hour"], suffix="_outcome")
        .with_columns(lead=pl.lit(hours))
        for hours, known in said.items()
    ])  # fmt: skip
    error = pl.col("value") - pl.col("value_outcome")
    return (
        both.group_by("series", "lead")
        .agg(
            mean=error.abs().mean(), bias=error.mean(), outcome=pl.col("value_outcome").mean(),
            hours=pl.len(),
        )
        .sort("series", "lead")
    )  # fmt: skip


def hourly(rows: pl.DataFrame, value: str, series: pl.Expr) -> pl.DataFrame:
    """Return the mean of each whole hour of each series' shortest periods."""
    length = pl.col("delivery_end") - pl.col("delivery_start")
    named = rows.drop_nulls(value).with_columns(
        series.alias("series"), hour=pl.col("delivery_start").dt.truncate("1h"), length=length
    )
    shortest = named.filter(pl.col("length") == pl.col("length").min().over("series"))
    hours = shortest.group_by("series", "hour").agg(
        pl.col("length").sum(), value=pl.col(value).mean()
    )
    return hours.filter(pl.col("length") == HOUR).select("series", "hour", "value")


def last_said(rows: pl.DataFrame) -> pl.DataFrame:
    """Return of several kinds of forecast of a period the one that came last."""
    if "forecast" not in rows.columns:
        return rows
    kinds = pl.col("forecast").replace_strict(
        {"Day ahead": 0, "Current": 1, "Intraday": 2}, default=-1
    )
    return rows.sort("received_at", kinds).unique(
        ["production_type", "delivery_start", "delivery_end"], keep="last"
    )


def borders(at: At) -> list[Row]:
    """Return each border once: what flows, what is scheduled, and what prices say of it."""
    now = around(at, 0, 0.25)[1]
    flows = _net(finest(in_span("entsoe_cross_border_flow", at, 6, 0.25),
                        "from_zone", "to_zone"), "flow_mw", now)  # fmt: skip
    scheduled = _net(finest(in_span("entsoe_scheduled_exchange", at, 6, 0.25, contract="Total"),
                            "from_zone", "to_zone"), "exchange_mw", now)  # fmt: skip
    most, price = _capacity(at), zone_prices(at)
    lines: list[Row] = []
    for pair in sorted(flows.keys() | scheduled.keys(), key=">".join):
        one, other = pair
        flow, begins = flows.get(pair, (None, None))
        schedule = scheduled.get(pair, (None, None))
        forth = flow is None or flow >= 0
        way = (flow if flow is not None else schedule[0] or 0) >= 0
        capacity = most.get((one, other) if way else (other, one))
        here, there = price.get(one), price.get(other)
        spread = None if here is None or there is None else there - here
        sign = 1 if forth else -1
        lines.append({
            "Border": f"{one} {ARROW if forth else BACK} {other}",
            "Flow MW, net": Figure(None if flow is None else abs(flow), 0),
            "Scheduled MW, net": Figure(
                None if schedule[0] is None else sign * schedule[0], 0),
            "Max MW": Figure(capacity, 0),
            "Used %": Figure(100 * abs(flow) / capacity if flow is not None and capacity else None,
                             0),
            "Δ price EUR/MWh": Figure(None if spread is None else sign * spread),
            "Against price": _sense(flow, spread),
            "Of": day_and_clock(begins or schedule[1]),  # type: ignore[arg-type]
        })  # fmt: skip
    return lines


def _net(
    rows: pl.DataFrame, value: str, now: datetime
) -> dict[tuple[str, str], tuple[float, datetime]]:
    """Return the newest net of each border of which each told direction is known."""
    told = rows.filter(pl.col("delivery_start") <= now).drop_nulls(value)
    one, other = pl.col("from_zone"), pl.col("to_zone")
    forth = one < other
    ways = told.with_columns(
        one=pl.min_horizontal(one, other), other=pl.max_horizontal(one, other), forth=forth,
        net=pl.when(forth).then(pl.col(value)).otherwise(-pl.col(value)),
    ).with_columns(wanted=pl.col("forth").n_unique().over("one", "other"))  # fmt: skip
    whole = (
        ways.group_by("one", "other", "delivery_start", "wanted")
        .agg(net=pl.col("net").sum(), found=pl.col("forth").n_unique())
        .filter(pl.col("found") == pl.col("wanted"))
        .sort("delivery_start")
        .unique(["one", "other"], keep="last")
    )
    return {
        (row["one"], row["other"]): (row["net"], row["delivery_start"]) for row in whole.to_dicts()
    }


def _capacity(at: At) -> dict[tuple[str, str], float]:
    found = {}
    for row in (
        latest(market_source("jao_max_exchange"), at).drop_nulls("max_exchange_mw").to_dicts()
    ):
        ends = row["border"].split("_")
        if len(ends) == 2 and all(len(one) == 2 for one in ends):
            one, other = (JAO.get(name, name) for name in ends)
            found[one, other] = row["max_exchange_mw"]
    return found


def zone_prices(at: At) -> dict[str, float | None]:
    """Return the day-ahead price of each zone that holds."""
    held = latest(market_source("entsoe_day_ahead_price"), at).filter(auction_sequence=1)
    return {row["bidding_zone"]: row["price_eur_per_mwh"] for row in held.to_dicts()}


def _sense(flow: float | None, spread: float | None) -> str:
    if not flow or spread is None or abs(spread) < 0.01:
        return ""
    return "with" if (flow > 0) == (spread > 0) else "▲ against"


def storages(at: At) -> pl.DataFrame:
    """Return the newest gas day of each storage, the largest first."""
    newest = latest(market_source("agsi_storage"), at)
    return newest.sort(pl.col("working_gas_volume_twh").fill_null(0), descending=True,
                       maintain_order=True)  # fmt: skip


def storage(at: At) -> list[Row]:
    return [
        {
            "Storage": (row["url"] or row["code"]).replace("_", " "),
            "Full %": Figure(row["full_pct"], 1),
            "Trend % of capacity a day": Figure(row["trend_pct"]),
            "Stock TWh": Figure(row["gas_in_storage_twh"], 1),
            "Capacity TWh": Figure(row["working_gas_volume_twh"], 1),
            "In GWh/d": Figure(row["injection_gwh_per_d"], 1),
            "Out GWh/d": Figure(row["withdrawal_gwh_per_d"], 1),
            "Gas day": day_and_clock(row["delivery_start"])[:-6],
        }
        for row in storages(at).to_dicts()
    ]


SIDE = ("point_key", "operator_key", "direction", "period_type")
"""What a side of a point is known by."""


def gas_sides(at: At) -> pl.DataFrame:
    """Return the sides of points about which anything is reported."""
    return latest(market_source("entsog_flow"), at).select(SIDE).unique().sort(SIDE)


def gas_points(at: At) -> list[Row]:
    """Return each side of a point: its flow beside what was nominated for the same hour."""
    newest = latest(market_source("entsog_flow"), at)
    lines: list[Row] = []
    for [point, operator, way, _], reports in newest.sort(SIDE).group_by(SIDE, maintain_order=True):
        said = {row["indicator"]: row for row in reports.to_dicts()}
        main = said.get("Physical Flow") or next(iter(said.values()))

        def gwh(kind: str, said: dict[str, dict[str, object]] = said,
                main: dict[str, object] = main) -> float | None:  # fmt: skip
            row = said.get(kind)
            if row is None or row["delivery_start"] != main["delivery_start"]:
                return None
            kwh = row["energy_flow_kwh_per_h"] or row["energy_flow_kwh_per_d"]
            return None if kwh is None else float(kwh) / 1e6  # type: ignore[arg-type]

        flow = gwh("Physical Flow")
        nominated = gwh("Renomination")
        nominated = gwh("Nomination") if nominated is None else nominated
        beyond = None if flow is None or nominated is None else flow - nominated
        lines.append({
            "Point": str(point), "Operator": str(operator), "Way": str(way),
            "Flow GWh/h": Figure(flow, 3), "Nominated GWh/h": Figure(gwh("Nomination"), 3),
            "Renom. GWh/h": Figure(gwh("Renomination"), 3),
            "Allocated GWh/h": Figure(gwh("Allocation"), 3),
            "Beyond GWh/h, flow less what was nominated last": Figure(beyond, 3),
            "Of the hour that begins then": day_and_clock(main["delivery_start"]),
        })  # fmt: skip
    return lines


def outages(at: At) -> list[Row]:
    """Return the outages that hold, with what they take out just then."""
    minute = (at or datetime.now(UTC)).replace(second=0, microsecond=0)
    periods = newest_outages(at).with_columns(
        out=(pl.col("nominal_mw") - pl.col("available_mw")).clip(lower_bound=0)
    )
    spans = periods.group_by("outage_id").agg(
        since=pl.col("delivery_start").min(), until=pl.col("delivery_end").max()
    )
    held = (
        periods.filter(pl.col("delivery_start") <= minute, pl.col("delivery_end") > minute)
        .sort("out", descending=True, nulls_last=True, maintain_order=True)
        .unique("outage_id", keep="first", maintain_order=True)
        .join(spans, on="outage_id", maintain_order="left")
    )
    return [
        {
            "Unit": row["unit_name"] or row["unit_eic"] or row["outage_id"],
            "Zone": row["bidding_zone"] or "",
            "Fuel": row["production_type"] or "",
            "Out MW": Figure(row["out"], 0),
            "Of MW": Figure(row["nominal_mw"], 0),
            "From": day_and_clock(row["since"]),
            "To": day_and_clock(row["until"]),
            "Kind": row["outage_type"] or "",
            "Rev": str(row["revision_number"] or ""),
            "Reason": row["reason_text"] or row["reason_code"] or "",
        }
        for row in held.to_dicts()
    ]


def net_flows(at: At) -> dict[tuple[str, str], float]:
    """Return the newest net flow of each border."""
    rows = finest(in_span("entsoe_cross_border_flow", at, 6, 0.25), "from_zone", "to_zone")
    return {pair: net for pair, (net, _) in _net(rows, "flow_mw", around(at, 0, 0.25)[1]).items()}


def sources() -> list[Row]:
    """Return every source as `energy-platform status` has it."""
    about = source_statuses(settings(), micro_batches())
    return [
        {
            "Source": one.name,
            "Group": one.group,
            "Protocol": one.protocol,
            "Provider": market_source(one.name).provider.name,
            "Rows": Figure(one.rows or 0, 0),
            "Quarantined": Figure(one.quarantined or 0, 0),
        }
        for one in sorted(about, key=lambda one: (one.group, one.name))
    ]


def newest_load(at: At) -> list[Row]:
    """Return the Czech load that holds."""
    return [
        {
            "delivery start": day_and_clock(row["delivery_start"]),
            "load MW": Figure(row["load_mw"], 1),
            "load including pumping MW": Figure(row["load_including_pumping_mw"], 1),
        }
        for row in latest(market_source("ceps_load"), at).to_dicts()
    ]
