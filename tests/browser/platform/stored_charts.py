"""What the charts must show, computed from the warehouse without any code of the dashboard.

Each function takes the instant whose knowledge is shown, None for now, and returns curves by the
name of their series. Spans are the pages' own, around the quarter-hour in which that instant is.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import partial, reduce
from zoneinfo import ZoneInfo

import polars as pl

import energy_platform as ep
from tests.browser.platform.shown import CURVE, curve_of

Curves = Mapping[str, pl.DataFrame]
ZONE = "DE-LU"
ZONES = ("DE-LU", "FR", "NL", "AT", "CZ", "PL")
BERLIN = ZoneInfo("Europe/Berlin")
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
DRIVEN = ("Solar", "Wind Onshore", "Wind Offshore")
PERIOD = ("delivery_start", "delivery_end")
MOST_SERIES = 6
At = datetime | None


def around(at: At, before: float, after: float) -> tuple[datetime, datetime]:
    """Return a span around the quarter-hour in which an instant is."""
    now = at or datetime.now(UTC)
    quarter = now - timedelta(seconds=now.timestamp() % QUARTER.total_seconds())
    return quarter - before * HOUR, quarter + after * HOUR


def in_span(source: str, at: At, before: float, after: float, **where: str) -> pl.DataFrame:
    """Return the rows of a source that begin in a span around an instant."""
    start, end = around(at, before, after)
    return ep.load(source, start=start, end=end, as_of=at).filter(**where)


def day_of(at: At, days: int = 0) -> tuple[datetime, datetime]:
    """Return when the market's day of an instant, or one some days later, begins and ends."""
    today = (at or datetime.now(UTC)).astimezone(BERLIN).date() + timedelta(days=days)
    return midnight(today), midnight(today + timedelta(days=1))


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), BERLIN).astimezone(UTC)


def finest(rows: pl.DataFrame, *series: str) -> pl.DataFrame:
    """Return of each series the rows with its shortest periods."""
    length = pl.col("delivery_end") - pl.col("delivery_start")
    least = length.min().over(series) if series else length.min()
    return rows.filter(length == least)


def by_quarter(rows: pl.DataFrame, value: str, *series: str) -> pl.DataFrame:
    """Return the sum of all series in each quarter-hour of which every one of them is known."""
    parts = (
        rows.drop_nulls(value)
        .with_columns(
            start=pl.datetime_ranges("delivery_start", "delivery_end", "15m", closed="left")
        )
        .explode("start")
    )
    wanted = parts.select(series).n_unique() if series else 1
    return (
        parts.group_by("start")
        .agg(value=pl.col(value).sum(), series=pl.len())
        .filter(pl.col("series") == wanted)
        .select("start", end=pl.col("start") + QUARTER, value="value")
        .cast(dict(CURVE))  # type: ignore[arg-type]
        .sort("start")
    )


def less(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the difference of two curves by quarter-hour, where both are known."""
    both = one.join(other, on=["start", "end"], suffix="_other")
    return both.select("start", "end", value=pl.col("value") - pl.col("value_other")).sort("start")


def newest_forecasts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return of each type and period the forecast of the newest kind."""
    kinds = {"Intraday": 0, "Current": 1, "Day ahead": 2}
    return (
        finest(rows, "production_type", "forecast")
        .sort(pl.col("forecast").replace_strict(kinds, return_dtype=pl.Int64))
        .unique(["production_type", "delivery_start"], keep="first", maintain_order=True)
    )


class Forecasts:
    """What is forecast and what came of it in the chosen zone."""

    def __init__(self, at: At, before: float = 18, after: float = 36) -> None:
        rows = partial(in_span, before=before, after=after, bidding_zone=ZONE)
        self.load_forecast = finest(rows("entsoe_load_forecast", at))
        self.load = finest(rows("entsoe_load", at))
        self.wind_solar = newest_forecasts(rows("entsoe_wind_solar_forecast", at))
        self.generation = finest(
            rows("entsoe_generation", at, direction="generation").filter(
                pl.col("production_type").is_in(DRIVEN)
            ),
            "production_type",
        )

    def of_load(self) -> Curves:
        return {
            "forecast": curve_of(self.load_forecast, "load_mw"),
            "outcome": curve_of(self.load, "load_mw"),
        }

    def of_wind_and_solar(self) -> Curves:
        return {
            f"{one} {said}": curve_of(rows.filter(production_type=one), "power_mw")
            for one in DRIVEN
            for said, rows in (("forecast", self.wind_solar), ("outcome", self.generation))
        }

    def residual(self) -> Curves:
        return {
            "forecast": less(self._load_forecast(), self._forecast()),
            "outcome": less(self._load(), self._generation()),
        }

    def errors(self) -> Curves:
        return {
            "load": less(self._load(), self._load_forecast()),
            "wind and solar": less(self._generation(), self._forecast()),
        }

    def _load(self) -> pl.DataFrame:
        return by_quarter(self.load, "load_mw")

    def _load_forecast(self) -> pl.DataFrame:
        return by_quarter(self.load_forecast, "load_mw")

    def _forecast(self) -> pl.DataFrame:
        return by_quarter(self.wind_solar, "power_mw", "production_type")

    def _generation(self) -> pl.DataFrame:
        return by_quarter(self.generation, "power_mw", "production_type")


def delta(at: At, before: float = 18, after: float = 36) -> Curves:
    """Return how far forecasts moved since just before their newest revision came."""

    def moved(source: str, value: str, *series: str) -> pl.DataFrame:
        start, end = around(at, before, after)
        pick = newest_forecasts if series else finest
        rows = pick(ep.load(source, start=start, end=end, as_of=at).filter(bidding_zone=ZONE))
        if rows.is_empty():
            return pl.DataFrame(schema=CURVE)
        newest = rows["received_at"].dt.truncate("1ms").max()
        assert isinstance(newest, datetime)
        earlier = ep.load(source, start=start, end=end, as_of=newest - timedelta(milliseconds=1))
        return less(
            by_quarter(rows, value, *series),
            by_quarter(pick(earlier.filter(bidding_zone=ZONE)), value, *series),
        )

    return {
        "wind and solar": moved("entsoe_wind_solar_forecast", "power_mw", "production_type"),
        "load": moved("entsoe_load_forecast", "load_mw"),
    }


def weather(at: At) -> Curves:
    """Return the strongest, mean and weakest wind of all stations in their newest run."""
    start, end = around(at, 18, 36)
    rows = ep.load("dwd_mosmix_forecast", start=start, end=end, as_of=at, run="latest")
    speed = pl.col("wind_speed_m_per_s")
    hours = rows.drop_nulls("wind_speed_m_per_s").group_by("valid_at").agg(
        highest=speed.max(), mean=speed.mean(), lowest=speed.min()
    )  # fmt: skip
    return {one: curve_of(hours, one, "valid_at") for one in ("highest", "mean", "lowest")}


def german_imbalance(at: At, before: float = 24) -> Curves:
    rows = in_span("netztransparenz_imbalance", at, before, 1)
    nrv = rows.filter(pl.col("product").str.starts_with("NRV"))
    return _named(nrv, "power_mw", pl.col("series"))


def imbalance_price(at: At) -> Curves:
    rows = in_span("netztransparenz_imbalance", at, 24, 1).drop_nulls("price_eur_per_mwh")
    return _named(rows, "price_eur_per_mwh", pl.format("{} {}", "product", "series"))


def czech_imbalance(at: At) -> Curves:
    rows = in_span("ceps_imbalance", at, 6, 1)
    return {"System imbalance Czechia": curve_of(rows, "system_imbalance_mw")}


def british_imbalance(at: At) -> Curves:
    rows = in_span("elexon_system_price", at, 24, 1)
    return {"Net imbalance volume Great Britain": curve_of(rows, "net_imbalance_volume_mwh")}


def british_price(at: At) -> Curves:
    rows = in_span("elexon_system_price", at, 24, 1)
    return {"System price Great Britain": curve_of(rows, "system_sell_price_gbp_per_mwh")}


def prices(start: datetime, end: datetime, at: At, *zones: str) -> pl.DataFrame:
    """Return the day-ahead prices of zones, of each in its shortest periods."""
    loaded = ep.load("entsoe_day_ahead_price", start=start, end=end, as_of=at)
    of_zones = loaded.filter(pl.col("bidding_zone").is_in(zones), auction_sequence=1)
    return finest(of_zones, "bidding_zone")


def day_ahead(at: At) -> Curves:
    return _named(prices(*day_of(at), at, *ZONES), "price_eur_per_mwh", pl.col("bidding_zone"))


def beside_the_day_before(at: At) -> Curves:
    start, end = day_of(at)
    others = ep.load("energy_charts_price", start=start, end=end, as_of=at)
    before = prices(*day_of(at, -1), at, ZONE)
    clock = pl.col(PERIOD).dt.convert_time_zone("Europe/Berlin").dt.offset_by("1d")
    return {
        "by Energy-Charts": curve_of(others.filter(bidding_zone=ZONE), "price_eur_per_mwh"),
        f"{ZONE} this day": curve_of(prices(start, end, at, ZONE), "price_eur_per_mwh"),
        "the day before": curve_of(
            before.with_columns(clock.dt.convert_time_zone("UTC")), "price_eur_per_mwh"
        ),
    }


def border_history(at: At, one: str = "DE-LU", other: str = "FR") -> Curves:
    """Return the net flow and schedule of a border, where each direction that is told is known."""

    def net(source: str, value: str, **where: str) -> pl.DataFrame:
        rows = in_span(source, at, 24, 12, **where)
        ways = [
            curve_of(rows.filter(from_zone=start, to_zone=end), value).drop_nulls("value")
            for start, end in ((one, other), (other, one))
        ]
        told = [way if sign > 0 else way.with_columns(-pl.col("value"))
                for sign, way in zip((1, -1), ways, strict=True) if not way.is_empty()]  # fmt: skip
        return reduce(_plus, told) if told else pl.DataFrame(schema=CURVE)

    return {
        "flow": net("entsoe_cross_border_flow", "flow_mw"),
        "scheduled": net("entsoe_scheduled_exchange", "exchange_mw", contract="Total"),
    }


def _plus(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    both = one.join(other, on=["start", "end"], suffix="_other")
    return both.select("start", "end", value=pl.col("value") + pl.col("value_other")).sort("start")


def filling(at: At, code: str, url: str) -> Curves:
    """Return how full a storage was on each day of half a year."""
    now = at or datetime.now(UTC)
    day = datetime.combine(now.date(), time(), UTC)
    loaded = ep.load("agsi_storage", start=day - timedelta(days=179, hours=12),
                     end=day + timedelta(days=1), as_of=at)  # fmt: skip
    rows = loaded.filter(code=code, url=url)
    return {"full": curve_of(rows, "full_pct")}


def gas_point(at: At, key: Mapping[str, str]) -> Curves:
    """Return what flowed at one side of a point beside what was nominated for it."""
    _, end = around(at, 0, 24)
    kinds = ["Physical Flow", "Nomination", "Renomination", "Allocation"]
    rows = ep.load("entsog_flow", start=end - timedelta(days=3), end=end, as_of=at).filter(**key)
    of_kinds = rows.filter(pl.col("indicator").is_in(kinds))
    return _named(of_kinds, "energy_flow_kwh_per_h", pl.col("indicator"))


def newest_outages(at: At) -> pl.DataFrame:
    """Return the periods of each outage in its newest revision, withdrawn ones left out."""
    loaded = in_span("entsoe_outage", at, 24, 72)
    newest = pl.col("revision_number") == pl.col("revision_number").max().over("outage_id")
    withdrawn = pl.col("status").str.contains("(?i)cancel|withdrawn").fill_null(value=False)
    return loaded.filter(newest, ~withdrawn)


def taken_out(at: At, by: str) -> Curves:
    """Return what is out of service at each hour, by a property of the units: the largest."""
    start, end = (one.replace(minute=0) for one in around(at, 24, 72))
    if around(at, 24, 72)[1] > end:
        end += HOUR
    hours = pl.DataFrame({"start": pl.datetime_range(start, end, "1h", closed="left", eager=True)})
    out = (pl.col("nominal_mw") - pl.col("available_mw")).clip(lower_bound=0)
    periods = newest_outages(at).with_columns(
        name=pl.col(by).replace("", None).fill_null("not said"), out=out
    ).drop_nulls("out")  # fmt: skip
    sums = (
        hours.join_where(periods, pl.col("start") >= pl.col("delivery_start"),
                         pl.col("start") < pl.col("delivery_end"))
        .group_by("name", "start")
        .agg(value=pl.col("out").sum())
    )  # fmt: skip
    largest = sums.group_by("name").agg(pl.col("value").sum()).sort("value", descending=True)
    return {
        name: curve_of(
            hours.join(sums.filter(name=name), on="start", how="left").with_columns(
                pl.col("value").fill_null(0.0), end=pl.col("start") + HOUR
            ),
            "value", "start", "end",
        )
        for name in largest["name"].head(MOST_SERIES)
    }  # fmt: skip


def _named(rows: pl.DataFrame, value: str, name: pl.Expr) -> Curves:
    named: Iterable[tuple[tuple[object, ...], pl.DataFrame]] = rows.with_columns(
        name=name
    ).group_by("name")
    return {str(one): curve_of(own, value) for [one], own in named}
