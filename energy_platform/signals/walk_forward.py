"""Training as time goes by: at each step a model learns from what was known by then, and foretells.

A model of a step may learn from an outcome that was known an embargo before the first gate of the
step. So no outcome whose delivery overlaps with what is foretold is learned from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.signals.feature_frame import LAST, feature_frame, require_same_at_gates
from energy_platform.signals.histories import Reader
from energy_platform.signals.recipes import Maker
from energy_platform.signals.signal import QUANTILES, Signal

DECIDED: Final = ("q10", "q50", "q90", "chance_above")
"""The columns that a prediction adds to rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How time goes by.

    Attributes:
        first: From how long a past the first model learns, at least.
        every: How long a model foretells before the next one is trained.
    """

    first: timedelta = timedelta(days=21)
    every: timedelta = timedelta(days=7)


def learnable(signal: Signal, reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return features and outcomes of the deliveries in [start, end).

    Returns:
        The columns of `feature_frame` and of `outcome`; `value` is null where nothing is known of
        what came, and so may be features.

    Raises:
        LookAheadError: A feature knows what became known after its gate.
    """
    reader = reader.keeping()
    rows = feature_frame(signal, reader, start, end)
    require_same_at_gates(signal, reader, rows)
    came = signal.outcome(reader, start, end)
    return rows.join(came, on="delivery_start", how="left", maintain_order="left")


def usable(signal: Signal, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with all features, a last value, an outcome, and what it earned."""
    came = ("value", "payoff_eur_per_mwh", "outcome_known_at")
    return rows.drop_nulls([*signal.features, LAST, *came])


def known_by(signal: Signal, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return the rows from which a model may learn at a moment."""
    known = pl.col("outcome_known_at") <= moment - signal.embargo
    recent = pl.col("delivery_start") >= moment - signal.learns_from
    return rows.filter(known, recent)


def foretold(
    signal: Signal, rows: pl.DataFrame, makers: Sequence[Maker], walk: Walk
) -> dict[str, pl.DataFrame]:
    """Return what each maker's models foretold, for the same deliveries.

    Args:
        signal: The signal.
        rows: What `learnable` returned.
        makers: A recipe, and baselines.
        walk: How time goes by.

    Returns:
        For each maker's name the rows that were foretold, with `DECIDED`.

    Raises:
        UsageError: The past is too short for one step.
    """
    whole = usable(signal, rows)
    said: dict[str, list[pl.DataFrame]] = {maker.name: [] for maker in makers}
    for moment, until in _steps(whole, walk):
        past = known_by(signal, whole, moment)
        asked = whole.filter(pl.col("gate_at") >= moment, pl.col("gate_at") < until)
        if asked.is_empty() or past.is_empty():
            continue
        for maker in makers:
            model = maker.fitted(past, [*signal.features], QUANTILES)
            told = model.predict(asked)
            columns = dict(zip(DECIDED, (*told.quantiles.T, told.chance_above), strict=True))
            said[maker.name].append(asked.with_columns(**columns))
    if not all(said.values()):
        raise UsageError(
            f"{signal.name} can't be scored: {whole.height:,} deliveries have features and an"
            f" outcome, and the first model learns from {walk.first.days} days"
        )
    return {name: pl.concat(parts) for name, parts in said.items()}


def _steps(rows: pl.DataFrame, walk: Walk) -> Iterator[tuple[datetime, datetime]]:
    """Yield when each model is trained, and until which gate it foretells."""
    if rows.is_empty():
        return
    first, last = rows["gate_at"].min(), rows["gate_at"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    moment = first + walk.first
    while moment <= last:
        yield moment, moment + walk.every
        moment += walk.every
