"""A trained model is kept, read back and speaks; what can't be trusted is silent and says why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.errors import UsageError
from energy_platform.formats.trading_signals import document, trading_signals
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.signals.desk.imbalance_de import IMBALANCE_DE
from energy_platform.signals.drift import drifted, usual
from energy_platform.signals.recipes import BOOSTED
from energy_platform.signals.registry import Manifest, ModelUnusableError, Registry
from energy_platform.signals.speaking import said
from energy_platform.signals.training import train
from energy_platform.signals.walk_forward import Walk
from tests.support.signal_world import world_reader

NOW = datetime(2026, 9, 20, 10, 7, tzinfo=UTC)
READER = world_reader()
SIGNAL = replace(IMBALANCE_DE, learns_from=timedelta(days=12))
SHORT = Walk(first=timedelta(days=5), every=timedelta(days=3))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    train(SIGNAL, READER, folder, NOW, SHORT)
    return folder


def current(home: Path) -> Manifest:
    manifest = Registry.of(home, SIGNAL.name).current()
    assert manifest is not None
    return manifest


def test_the_manifest_says_what_the_model_was_made_of(home: Path) -> None:
    manifest = current(home)
    assert manifest.features == tuple(SIGNAL.features)
    assert manifest.outcomes_known_until <= NOW - SIGNAL.embargo
    assert {one["name"] for one in manifest.scores} == {"linear", "climatology", "last value"}
    assert manifest.libraries.keys() >= {"scikit-learn", "skops"}
    assert Manifest.read(manifest.written()) == manifest


def test_it_speaks_of_what_is_decided_and_has_not_begun(home: Path) -> None:
    rows = said(SIGNAL, READER, home, NOW)
    assert rows["delivery_start"].min() == datetime(2026, 9, 20, 10, 15, tzinfo=UTC)
    assert rows["gate_at"].max() == datetime(2026, 9, 20, 10, 0, tzinfo=UTC)
    assert rows["silent_because"].null_count() == rows.height == 4
    quantiles = rows.select("power_q10_mw", "power_q50_mw", "power_q90_mw").rows()
    assert all(low < middle < high for low, middle, high in quantiles)
    assert rows["model_version"].unique().to_list() == [current(home).version]
    message = RawMessage(body=document(rows), received_at=NOW)
    parsed = trading_signals([message])
    assert parsed["chance_above_pct"].to_list() == rows["chance_above_pct"].to_list()
    assert set(parsed.columns) - {"landing_offset"} <= set(market_source("trading_signal").dtypes)


def test_what_was_decided_is_not_said_anew_by_a_model_that_was_trained_later(
    tmp_path: Path,
) -> None:
    train(SIGNAL, READER, tmp_path, NOW - timedelta(days=1), SHORT)
    assert said(SIGNAL, READER, tmp_path, NOW).height == 4
    train(SIGNAL, READER, tmp_path, NOW, SHORT)
    assert said(SIGNAL, READER, tmp_path, NOW).is_empty()
    later = NOW + SIGNAL.period
    [gate] = said(SIGNAL, READER, tmp_path, later)["gate_at"]
    assert NOW < gate <= later
    assert said(SIGNAL, READER, tmp_path, later + timedelta(hours=1)).height == 4


def test_gradient_boosting_is_kept_and_read_back(tmp_path: Path) -> None:
    boosted = replace(SIGNAL, recipe=BOOSTED, learns_from=timedelta(days=7))
    train(boosted, READER, tmp_path, NOW, Walk(first=timedelta(days=5)))
    assert said(boosted, READER, tmp_path, NOW)["silent_because"].null_count() == 4


def why(home: Path, now: datetime = NOW, signal: object = SIGNAL) -> str:
    rows = said(signal, READER, home, now)  # type: ignore[arg-type] # a signal
    [reason] = rows["silent_because"].unique().to_list()
    assert "power_q50_mw" not in rows.columns or rows["power_q50_mw"].null_count() == rows.height
    return str(reason)


def test_without_a_model_and_with_an_old_one_it_is_silent(home: Path, tmp_path: Path) -> None:
    assert why(tmp_path) == "there is no model yet"
    assert why(home, NOW + timedelta(days=8)) == "the model is 8 days old"
    other = replace(SIGNAL, features={"balance": pl.col("balance")})
    assert why(home, signal=other) == "the model was trained with other features"


def test_a_damaged_model_is_silent(tmp_path: Path) -> None:
    train(SIGNAL, READER, tmp_path, NOW, SHORT)
    registry, manifest = Registry.of(tmp_path, SIGNAL.name), current(tmp_path)
    file = registry.folder / manifest.version / "model.skops"
    file.write_bytes(file.read_bytes()[:-9] + b"something")
    with pytest.raises(ModelUnusableError, match="is not the file that its manifest tells of"):
        registry.model(manifest)
    assert "is not the file" in why(tmp_path)


def test_a_missing_input_is_named(home: Path) -> None:
    gone = replace(
        SIGNAL, features={**SIGNAL.features, "ramp": pl.col("load") + pl.lit(None, pl.Float64)}
    )
    assert why(home, signal=gone) == "not known at the gate: ramp"


def test_drifting_features_make_it_silent(home: Path) -> None:
    moved = replace(SIGNAL, features={**SIGNAL.features, "balance": pl.col("balance") * 3 + 2_000})
    assert why(home, signal=moved).startswith("drift: balance (")


def test_the_weeks_of_the_past_are_no_drift() -> None:
    starts = pl.datetime_range(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), "1h", eager=True
    )
    rows = pl.DataFrame({"delivery_start": starts}).with_columns(
        x=(pl.int_range(pl.len()) / 200).sin()
    )
    known = usual(rows, ["x"])
    assert not drifted(rows.tail(168), known)
    assert drifted(rows.tail(168).with_columns(x=pl.col("x") + 3), known)


def test_a_past_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs 2,016 \(21 days\)"):
        train(SIGNAL, READER, tmp_path, NOW)
