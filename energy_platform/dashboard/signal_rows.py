"""What the trading signals say of coming deliveries, beside the model that said it and its score.

What they say is read from the rows of `trading_signal`, and the rest from the manifest of the model
that a row names. A signal that says nothing of coming deliveries has a row, too, which says so.
Nothing is foretold here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.dashboard.intraday import rows_known
from energy_platform.dashboard.stores import Stores
from energy_platform.history.revisions import latest_revision
from energy_platform.market.instants import INSTANT
from energy_platform.market.registry import market_source
from energy_platform.operations.status import market_clock
from energy_platform.signals.catalogue import signals
from energy_platform.signals.registry import Manifest, ModelUnusableError, Registry
from energy_platform.signals.signal import Signal
from energy_platform.signals.speaking import AHEAD

TRADING_SIGNAL: Final = "trading_signal"
SAYS_NOTHING: Final = "it has said nothing of coming deliveries"
_QUANTILES: Final = ("q10", "q50", "q90")

ROW: Final = pl.Schema(
    {
        "id": pl.String(),
        "signal": pl.String(),
        "description": pl.String(),
        "gate": pl.String(),
        "unit": pl.String(),
        "delivery_start": INSTANT,
        "delivery_end": INSTANT,
        "gate_at": INSTANT,
        **dict.fromkeys(_QUANTILES, pl.Float64()),
        "chance_above_pct": pl.Float64(),
        "features_known_at": INSTANT,
        "silent_because": pl.String(),
        "model_version": pl.String(),
        "received_at": INSTANT,
        "landing_offset": pl.Int64(),
    }
)
"""What is said of a delivery, in the signal's unit; `received_at` is since when it is said."""
SCORE: Final = pl.Schema(
    {
        "trained_at": INSTANT,
        "score_days": pl.Int64(),
        "hit_rate_pct": pl.Float64(),
        "hit_rate_low_pct": pl.Float64(),
        "hit_rate_high_pct": pl.Float64(),
        "loss": pl.Float64(),
        "loss_of_climatology": pl.Float64(),
        "loss_of_last_value": pl.Float64(),
        "beats_baselines": pl.Boolean(),
    }
)
"""The score of a row's model; the hit rate's interval has 90 %, and a loss is in its unit."""


@dataclass(frozen=True, slots=True)
class SignalRows:
    """The signals of one home.

    Attributes:
        stores: The home's stores.
    """

    stores: Stores

    def known(self, at: datetime | None = None) -> pl.DataFrame:
        """Return what is said of each delivery that has not begun, by signal and delivery.

        Args:
            at: As it was known then, by our clock; as it is known now, if None.

        Returns:
            The columns of `ROW` and `SCORE`; those of `SCORE` are null without a model's manifest.
        """
        clock = market_clock(self.stores.settings)
        now = clock.now() if at is None else clock.at(at)
        start = pl.col("delivery_start")
        coming = start.is_between(now, now + AHEAD)
        rows = rows_known(self.stores, TRADING_SIGNAL, at, coming)
        newest = latest_revision(rows.lazy(), market_source(TRADING_SIGNAL)).collect()
        said = pl.concat([_of_deliveries(newest), _of_the_quiet(newest)])
        told = said.join(_about(signals().values()), on="signal", how="left").select(*ROW)
        scores = _scores(self.stores.settings.home, told)
        return told.join(
            scores, on=["signal", "model_version"], how="left", maintain_order="left"
        ).sort("signal", "delivery_start")


def _of_deliveries(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the source, each quantile in one column; a signal has prices or powers."""
    at = pl.col("delivery_start").dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    values = {q: pl.coalesce(f"price_{q}_eur_per_mwh", f"power_{q}_mw") for q in _QUANTILES}
    told = rows.with_columns(id=pl.concat_str("signal", at, separator="|"), **values)
    return told.select(_SAID)


def _of_the_quiet(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each of the desk's signals that has none."""
    quiet = sorted(signals().keys() - set(rows["signal"]))
    told = pl.DataFrame({"id": quiet, "signal": quiet, "silent_because": SAYS_NOTHING})
    schema = {name: ROW[name] for name in _SAID}
    return pl.concat([pl.DataFrame(schema=schema), told.cast(pl.String())], how="diagonal")


_ABOUT: Final = pl.Schema(dict.fromkeys(("signal", "description", "gate", "unit"), pl.String()))
_SAID: Final = [name for name in ROW if name == "signal" or name not in _ABOUT]


def _about(known: Iterable[Signal]) -> pl.DataFrame:
    return pl.DataFrame(
        [(one.name, one.description, str(one.gate), one.unit) for one in known],
        schema=_ABOUT, orient="row",
    )  # fmt: skip


def _scores(home: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the scores of the models that rows name, as far as this home has their manifests."""
    named = rows.drop_nulls("model_version").select("signal", "model_version").unique()
    found = [
        {"signal": signal, "model_version": version, **_score(manifest)}
        for signal, version in named.iter_rows()
        if (manifest := _manifest(home, signal, version)) is not None
    ]
    return pl.DataFrame(
        found, schema={"signal": pl.String(), "model_version": pl.String(), **SCORE}
    )


def _manifest(home: Path, signal: str, version: str) -> Manifest | None:
    registry = Registry.of(home, signal)
    try:
        return registry.manifest(version) if version in registry.versions() else None
    except ModelUnusableError:
        return None


def _score(manifest: Manifest) -> Mapping[str, Any]:
    """Return a manifest's score; a past that is too short has none."""
    told: dict[str, Any] = {"trained_at": manifest.trained_at}
    if not manifest.scores:
        return told
    own, *baselines = manifest.scores
    hits = own["hit_rate"]
    return {
        **told,
        "score_days": own["days"],
        "hit_rate_pct": 100 * hits["value"],
        "hit_rate_low_pct": 100 * hits["low"],
        "hit_rate_high_pct": 100 * hits["high"],
        "loss": own["pinball"]["value"],
        "beats_baselines": manifest.beats_baselines,
        **{
            f"loss_of_{one['name'].replace(' ', '_')}": one["pinball"]["value"] for one in baselines
        },
    }
