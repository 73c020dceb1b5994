"""What a signal says now: of each delivery whose gate has passed, quantiles or why it is silent.

It is silent rather than guessing: without a model, with one that is too old or damaged, if an input
was not known at the gate, and if features have drifted from those that the model learned from.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from energy_platform.signals.drift import WINDOW, drifted
from energy_platform.signals.feature_frame import feature_frame
from energy_platform.signals.histories import Reader
from energy_platform.signals.recipes import Fitted
from energy_platform.signals.registry import Manifest, ModelUnusableError, Registry
from energy_platform.signals.signal import Signal

NO_MODEL: Final = "there is no model yet"
"""Why a signal of a young platform is silent."""
OLDEST_MODEL: Final = timedelta(days=7)
AHEAD: Final = timedelta(hours=36)
"""Further ahead no delivery is looked for."""
_ROWS: Final = ("delivery_start", "delivery_end", "gate_at", "features_known_at")


def said(signal: Signal, reader: Reader, home: Path, now: datetime) -> pl.DataFrame:
    """Return what a signal says of the deliveries that are decided about and have not begun.

    What a model of before has said of a delivery stays: who has traded on it has decided. So a
    model that was trained after a gate says nothing of its deliveries, unless it is the first.

    Args:
        signal: The signal.
        reader: Reads its histories.
        home: The platform's home, which holds the registry.
        now: Market time.

    Returns:
        The columns of the source `trading_signal` that it fills.
    """
    rows = feature_frame(signal, reader, _floor(now, signal) - WINDOW, now + AHEAD)
    asked = rows.filter(pl.col("gate_at") <= now, pl.col("delivery_start") >= now)
    lately = rows.filter(pl.col("gate_at") <= now)
    model, manifest, why = _model(signal, home, now, lately)
    if manifest is not None and len(Registry.of(home, signal.name).versions()) > 1:
        asked = asked.filter(pl.col("gate_at") >= manifest.trained_at)
    told = asked.select(
        *_ROWS,
        signal=pl.lit(signal.name),
        model_version=pl.lit(manifest.version if manifest else None, dtype=pl.String),
    )
    missing = pl.concat_list(
        pl.when(pl.col(name).is_null() | pl.col(name).is_nan()).then(pl.lit(name))
        for name in signal.features
    ).list.drop_nulls()
    lacks = pl.when(missing.list.len() > 0).then(
        pl.lit("not known at the gate: ") + missing.list.join(", ")
    )
    silent = asked.select(pl.coalesce(pl.lit(why, dtype=pl.String), lacks)).to_series()
    told = told.with_columns(silent_because=silent)
    if model is None or asked.is_empty():
        return told
    speaks = told["silent_because"].is_null()
    return _with_words(signal, told, asked, speaks, model)


def _with_words(
    signal: Signal, told: pl.DataFrame, asked: pl.DataFrame, speaks: pl.Series, model: Fitted
) -> pl.DataFrame:
    """Add what the model says of the deliveries whose features are all there."""
    asked = asked.filter(speaks)
    if asked.is_empty():
        return told
    names = [f"{_kind(signal)[0]}_{q}_{_kind(signal)[1]}" for q in ("q10", "q50", "q90")]
    words = model.predict(asked)
    spoken = asked.select("delivery_start").with_columns(
        **dict(zip(names, words.quantiles.T.round(3), strict=True)),
        chance_above_pct=(100.0 * words.chance_above).round(2),
    )
    return told.join(spoken, on="delivery_start", how="left", maintain_order="left")


def _kind(signal: Signal) -> tuple[str, str]:
    return ("price", "eur_per_mwh") if signal.unit == "EUR/MWh" else ("power", "mw")


def _model(  # noqa: PLR0911 (each reason to be silent is one)
    signal: Signal, home: Path, now: datetime, lately: pl.DataFrame
) -> tuple[Fitted | None, Manifest | None, str | None]:
    """Return the model, its manifest, and why it may not speak."""
    registry = Registry.of(home, signal.name)
    try:
        manifest = registry.current()
        if manifest is None:
            return None, None, NO_MODEL
        if manifest.features != tuple(signal.features):
            return None, manifest, "the model was trained with other features"
        model = registry.model(manifest)
    except ModelUnusableError as error:
        return None, None, f"the model can't be used: {error}"
    except ModuleNotFoundError as error:
        return None, None, f"{error.name} is not installed: the signals extra brings it"
    if now - manifest.trained_at > OLDEST_MODEL:
        days = (now - manifest.trained_at).days
        return None, manifest, f"the model is {days} days old"
    week = lately.filter(pl.col("delivery_start") > now - WINDOW)
    if moved := drifted(week, manifest.usual):
        return None, manifest, f"drift: {', '.join(moved)}"
    return model, manifest, None


def _floor(now: datetime, signal: Signal) -> datetime:
    """Return the beginning of the delivery that is under way."""
    seconds = signal.period.total_seconds()
    return now - timedelta(seconds=now.timestamp() % seconds)
