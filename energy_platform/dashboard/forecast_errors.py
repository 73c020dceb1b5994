"""How far forecasts were from the outcome, by how long before delivery they were known.

Only what was known at each lead counts, as in `load(as_of=timedelta(...))`; so a platform that has
run for an hour knows the errors of leads up to an hour. Nothing is filled in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.history.knowledge_time import AsOf
from energy_platform.reading.platform import here

LEADS_HOURS: Final = (1, 2, 3, 6, 9, 12, 18, 24, 36)
_HOUR: Final = timedelta(hours=1)
_WEATHER_DRIVEN: Final = ("Solar", "Wind Onshore", "Wind Offshore")
_KINDS: Final = ("Day ahead", "Current", "Intraday")
"""Of several forecasts that came at the same moment the last of these counts."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A forecast, and the source of what came of it; both state the same column.

    Attributes:
        forecast: The forecast's source.
        outcome: The outcome's source.
        value: The column.
        types: Production types, each with errors of its own; none for a total.
        only: What else the outcome's rows must say.
    """

    forecast: str
    outcome: str
    value: str
    types: Sequence[str] = ()
    only: Mapping[str, str] = field(default_factory=dict)


PAIRS: Final = {
    "load": Pair("entsoe_load_forecast", "entsoe_load", "load_mw"),
    "wind_solar": Pair(
        "entsoe_wind_solar_forecast",
        "entsoe_generation",
        "power_mw",
        _WEATHER_DRIVEN,
        {"direction": "generation"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The forecasts of one zone over a span of time, and what came of them.

    Attributes:
        pair: The forecast and its outcome.
        zone: The bidding zone.
        start: From this delivery on.
        end: Before this delivery.
        known: Only outcomes that were known by then; now, if None.
    """

    pair: Pair
    zone: str
    start: datetime
    end: datetime
    known: datetime | None = None

    def errors_by_lead(self) -> pl.DataFrame:
        """Return the errors over all whole hours whose forecast and outcome are known.

        Columns: `series`, `lead_hours`, `mae_mw`, `bias_mw` (mean of forecast less outcome),
        `outcome_mw` (its mean), `hours` (how many were compared). Sorted by series and lead.
        """
        outcome = _hourly(self._rows(self.pair.outcome, self.known).filter(**self.pair.only))
        leads = [
            _hourly(self._forecast(timedelta(hours=lead)))
            .join(outcome, on=["series", "hour"], suffix="_outcome")
            .with_columns(lead_hours=pl.lit(lead, pl.Int64))
            for lead in LEADS_HOURS
        ]
        error = pl.col("value") - pl.col("value_outcome")
        return (
            pl.concat(leads)
            .group_by("series", "lead_hours")
            .agg(
                mae_mw=error.abs().mean(),
                bias_mw=error.mean(),
                outcome_mw=pl.col("value_outcome").mean(),
                hours=pl.len(),
            )
            .sort("series", "lead_hours")
            .collect()
        )

    def _rows(self, source: str, known: AsOf | None) -> pl.LazyFrame:
        pair = self.pair
        rows = here.scan(
            source, start=self.start, end=self.end, as_of=known, missing="empty"
        ).filter(pl.col("bidding_zone") == self.zone, pl.col(pair.value).is_not_null())
        if pair.types:
            rows = rows.filter(pl.col("production_type").is_in(pair.types))
        series = pl.col("production_type") if pair.types else pl.lit("Load")
        return rows.with_columns(series=series, value=pl.col(pair.value))

    def _forecast(self, lead: timedelta) -> pl.LazyFrame:
        """Return what was last said of each period at a lead before it."""
        rows = self._rows(self.pair.forecast, lead)
        if not self.pair.types:
            return rows
        ranks = {kind: rank for rank, kind in enumerate(_KINDS)}
        ranked = rows.with_columns(rank=pl.col("forecast").replace_strict(ranks, default=-1))
        newest = ranked.sort("received_at", "rank")
        return newest.unique(["series", "delivery_start", "delivery_end"], keep="last")


def _hourly(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the mean of each whole hour, of each series' shortest periods."""
    length = pl.col("delivery_end") - pl.col("delivery_start")
    return (
        rows.with_columns(length=length, hour=pl.col("delivery_start").dt.truncate("1h"))
        .filter(pl.col("length") == pl.col("length").min().over("series"))
        .group_by("series", "hour")
        .agg(pl.col("value").mean(), pl.col("length").sum())
        .filter(pl.col("length") == _HOUR)
        .select("series", "hour", "value")
    )
