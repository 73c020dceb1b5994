"""Training a signal's model on what is known at a moment, and keeping it with its score."""

from datetime import datetime
from pathlib import Path

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.signals.baselines import Climatology, LastValue
from energy_platform.signals.drift import usual
from energy_platform.signals.histories import Reader
from energy_platform.signals.registry import Manifest, Registry
from energy_platform.signals.scores import Score, scored
from energy_platform.signals.signal import QUANTILES, Signal
from energy_platform.signals.walk_forward import Walk, foretold, known_by, learnable, usable


def train(
    signal: Signal, reader: Reader, home: Path, now: datetime, walk: Walk | None = None
) -> Manifest:
    """Train a model on all that was known, score the walk through it, and keep both.

    Args:
        signal: The signal.
        reader: Reads its histories.
        home: The platform's home, which holds the registry.
        now: Market time.
        walk: How time goes by in its score, and from how long a past a model learns at least.

    Raises:
        UsageError: There is too little to learn from.
    """
    walk = walk or Walk()
    rows = learnable(signal, reader, now - signal.learns_from, now)
    whole = usable(signal, rows)
    past = known_by(signal, whole, now)
    least = int(walk.first / signal.period)
    if past.height < least:
        raise UsageError(
            f"{signal.name} has {past.height:,} deliveries to learn from, and needs {least:,}"
            f" ({walk.first.total_seconds() / 86_400:g} days)"
        )
    features = [*signal.features]
    model = signal.recipe.fitted(past, features, QUANTILES)
    try:
        scores = score_of(signal, past, walk)
    except UsageError:  # enough to learn from, too little to walk through
        scores = []
    first, last = past["delivery_start"][0], past["delivery_start"][-1]
    return Registry.of(home, signal.name).keep(
        model,
        now,
        signal=signal.name,
        recipe=signal.recipe.name,
        known=reader.known,
        first_delivery=first,
        last_delivery=last,
        outcomes_known_until=past["outcome_known_at"].max(),
        rows=past.height,
        quantiles=QUANTILES,
        usual=usual(past, features),
        scores=tuple(one.told() for one in scores),
    )


def score_of(signal: Signal, rows: pl.DataFrame, walk: Walk | None = None) -> list[Score]:
    """Return the scores of a signal's recipe and of both baselines, for the same deliveries.

    Raises:
        UsageError: The past is too short.
    """
    makers = (signal.recipe, Climatology(signal.zone), LastValue())
    return scored(signal, foretold(signal, rows, makers, walk or Walk()))
