"""What trading signals say, as rows of their source, and manifests of models that said it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.formats.trading_signals import document
from energy_platform.market.registry import market_source
from energy_platform.operations.signal_silence import CURRENT
from energy_platform.signals.registry import Manifest, Registry
from tests.support.dashboard import Desk

SOURCE: Final = "trading_signal"
VERSION: Final = "20261130T020000Z-abcdef12"
_QUARTER: Final = timedelta(minutes=15)


def next_quarter() -> datetime:
    """Return the beginning of the quarter-hour after the next one."""
    seconds = _QUARTER.total_seconds()
    now = datetime.now(UTC).timestamp()
    return datetime.fromtimestamp((now // seconds + 2) * seconds, UTC)


def words(start: datetime, medians: list[float | None], **said: Any) -> pl.DataFrame:
    """Return what `imbalance_de` says of quarter-hours: quantiles about medians, or nothing."""
    starts = [start + number * _QUARTER for number in range(len(medians))]
    rows = {
        "delivery_start": starts,
        "delivery_end": [one + _QUARTER for one in starts],
        "signal": "imbalance_de",
        "gate_at": [one - timedelta(hours=1) for one in starts],
        "power_q10_mw": [None if mw is None else mw - 500 for mw in medians],
        "power_q50_mw": medians,
        "power_q90_mw": [None if mw is None else mw + 500 for mw in medians],
        "chance_above_pct": [None if mw is None else 50.0 + mw / 20 for mw in medians],
        "features_known_at": [one - timedelta(minutes=72) for one in starts],
        "model_version": VERSION,
        **said,
    }
    dtypes = market_source(SOURCE).dtypes
    return pl.DataFrame(rows).cast({name: dtypes[name] for name in rows})


def hand_in(desk: Desk, rows: pl.DataFrame) -> None:
    """Let rows land as the signals' assets hand them in."""
    desk.receive(SOURCE, json.loads(document(rows)))


def keep_manifest(home: Path, *, loss: float, of_baselines: float) -> None:
    """Keep the manifest of the model `VERSION` of `imbalance_de`, with its score."""
    trained_at = datetime(2026, 11, 30, 2, tzinfo=UTC)
    less = {"value": of_baselines - loss, "low": of_baselines - loss - 1, "high": 99.0}
    figure = {"value": 0.65, "low": 0.6, "high": 0.7}
    own = {"name": "linear", "days": 40, "hit_rate": figure, "pinball": {"value": loss},
           "pinball_less_by": {"climatology": less, "last value": less}}  # fmt: skip
    others = [
        {"name": name, "pinball": {"value": of_baselines}} for name in ("climatology", "last value")
    ]
    manifest = Manifest(
        signal="imbalance_de", version=VERSION, recipe="linear", features=("balance",),
        known="received", trained_at=trained_at, first_delivery=trained_at,
        last_delivery=trained_at, outcomes_known_until=trained_at, rows=1, quantiles=(0.5,),
        usual={}, scores=(own, *others), libraries={}, sha256="",
    )  # fmt: skip
    folder = Registry.of(home, "imbalance_de").folder
    (folder / VERSION).mkdir(parents=True, exist_ok=True)
    (folder / VERSION / "manifest.json").write_text(manifest.written())
    (folder / CURRENT).write_text(VERSION)
