"""Inputs of a signal: values of histories, each taken as it was known at the gate of a delivery."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import LookAheadError
from energy_platform.history.knowledge_time import knowledge_time
from energy_platform.signals.gate import DELIVERY, Gate
from energy_platform.signals.histories import History

_YEAR: Final = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
"""Deliveries by which a declaration is tried; both clock changes are among them."""


@dataclass(frozen=True, kw_only=True)
class AtLag:
    """The value of the period that begins so long before delivery.

    Attributes:
        history: The values.
        lag: How long before; below 0 for periods after the beginning of delivery.
    """

    history: History
    lag: timedelta = timedelta()

    def events(self, rows: pl.LazyFrame, period: timedelta, known: pl.DataFrame) -> pl.LazyFrame:
        """Return `delivery_start`, `gate_at`, and the `event` of each value that belongs to it."""
        del known
        step = self.history.step
        count = max(1, period // step)
        return rows.select(
            "delivery_start",
            "gate_at",
            event=pl.concat_list(DELIVERY - self.lag + number * step for number in range(count)),
        ).explode("event")

    def require_known(self, gate: Gate, period: timedelta, name: str) -> None:
        """Refuse a value that is known only after the gate of its delivery, by its declaration.

        Raises:
            LookAheadError: It is.
        """
        starts = pl.datetime_range(*_YEAR, period, time_unit="us", time_zone="UTC", eager=True)
        last = max(timedelta(), period - self.history.step)
        event = DELIVERY - self.lag + last
        known = _known(self.history.known_after, event)
        late = pl.DataFrame({"delivery_start": starts}).filter(known > gate.of())
        if not late.is_empty():
            raise LookAheadError(
                f"{name} is known only after the gate ({gate}) of {late.height:,} of"
                f" {starts.len():,} deliveries, such as {late['delivery_start'][0]:%Y-%m-%d %H:%M}"
                " UTC: take an older value"
            )


@dataclass(frozen=True, kw_only=True)
class Newest:
    """The mean of the newest values that are known at the gate.

    Attributes:
        history: The values.
        span: Of how long; a value that is missing in between is left out.
        oldest: How long before the gate the period of the newest one begins at the earliest; if
            none as new is known, the input is missing.
    """

    history: History
    span: timedelta
    oldest: timedelta

    def events(self, rows: pl.LazyFrame, period: timedelta, known: pl.DataFrame) -> pl.LazyFrame:
        """Return `delivery_start`, `gate_at`, and the `event` of each value that belongs to it."""
        del period
        step = self.history.step
        steps = range(max(1, self.span // step))
        reached = (
            known.lazy()
            .drop_nulls("value")
            .sort("known_at")
            .select("known_at", newest=pl.col("event").cum_max())
        )
        return (
            rows.sort("gate_at")
            .join_asof(reached, left_on="gate_at", right_on="known_at")
            .filter(pl.col("gate_at") - pl.col("newest") <= self.oldest)
            .select(
                "delivery_start",
                "gate_at",
                event=pl.concat_list(pl.col("newest") - number * step for number in steps),
            )
            .explode("event")
        )

    def require_known(self, gate: Gate, period: timedelta, name: str) -> None:
        """Do nothing: the newest value that is known at the gate is known at the gate."""


Input = AtLag | Newest


def _known(after: timedelta | str, event: pl.Expr) -> pl.Expr:
    """Return when values of events are known at the earliest."""
    if isinstance(after, timedelta):
        return event + after
    return knowledge_time(after, look_ahead=True).known_by(event)


def values_at_gate(
    one: Input, history: pl.DataFrame, rows: pl.DataFrame, period: timedelta
) -> pl.DataFrame:
    """Return an input's value for each delivery, and when the newest part of it became known.

    Args:
        one: The input.
        history: Its history, as `histories.SCHEMA` has it.
        rows: `delivery_start` and `gate_at`.
        period: How long deliveries are.

    Returns:
        `delivery_start`, `value` and `known_at`, of the deliveries for which it was known.
    """
    counted = pl.col("superseded_at").is_null() | (pl.col("superseded_at") > pl.col("gate_at"))
    return (
        one.events(rows.lazy().select("delivery_start", "gate_at"), period, history)
        .join(history.lazy().drop_nulls("value"), on="event")
        .filter(pl.col("known_at") <= pl.col("gate_at"), counted)
        .group_by("delivery_start")
        .agg(pl.col("value").mean(), pl.col("known_at").max())
        .collect()
    )
