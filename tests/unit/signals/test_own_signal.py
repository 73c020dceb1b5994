"""The docs' example of one's own signal is scored by the command, and trained, kept and read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.signals.catalogue import signal
from energy_platform.signals.recipes import Fitted
from energy_platform.signals.registry import Registry
from energy_platform.signals.training import train
from energy_platform.signals.walk_forward import Walk
from tests.support.commands import Command, command_in_process
from tests.support.landed_market import Landing, land, periods
from tests.support.signal_world import world_reader

FILE = Path(__file__).parents[3] / "docs" / "signals" / "own_signal.py"
END = datetime(2026, 9, 20, 22, tzinfo=UTC)
DAYS = 28


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return command_in_process(monkeypatch, capsys)


def prices() -> Iterator[Landing]:
    """Yield auctions at 100 EUR/MWh, and imbalances whose premium swings slowly about 0."""
    rows = periods(END - timedelta(days=DAYS), END)
    chance = np.random.default_rng(0).normal(0.0, 10.0, rows.height)
    premium = 60.0 * (pl.col("n") * (2 * np.pi / (8 * 96))).sin() + pl.Series(chance)
    price = "price_eur_per_mwh"
    yield Landing("entsoe_day_ahead_price", END, rows.select(
        pl.exclude("n"), bidding_zone=pl.lit("DE-LU"), auction_sequence=1,
        resolution=pl.lit("PT15M"), **{price: 100.0},
    ))  # fmt: skip
    yield Landing("netztransparenz_imbalance", END, rows.select(
        pl.exclude("n"), product=pl.lit("AEP-Schätzer"), quality=pl.lit("operational"),
        series=pl.lit("AEP-Schätzer"), **{price: 100.0 + premium},
    ))  # fmt: skip


@pytest.fixture
def asked(platform_batches: MicroBatches) -> list[str]:
    land(platform_batches, prices())
    return [
        "--days", str(DAYS), "--until", END.isoformat(), "--first", "10", "--json",
        "--known", "published",
    ]  # fmt: skip


def test_a_file_is_scored_beside_the_baselines(asked: list[str], command: Command) -> None:
    done = command("signals", "score", str(FILE), *asked)
    assert done.code == 0, done.error
    told = json.loads(done.out)
    hits = {one["name"]: one["hit_rate"] for one in told["scores"]}
    assert told["signal"] == "imbalance_premium_de"
    assert hits.keys() == {"robust", "climatology", "last value"}
    assert hits["robust"]["low"] > hits["climatology"]["high"]


def test_a_file_that_leaks_is_refused(asked: list[str], command: Command, tmp_path: Path) -> None:
    leaking = tmp_path / "leaking.py"
    leaking.write_text(FILE.read_text().replace("hours=48", "hours=24"))
    done = command("signals", "score", str(leaking), *asked)
    assert done.code == 2
    assert "input two_days_before is known only after the gate" in done.error


def test_its_model_is_kept_and_read_back(tmp_path: Path) -> None:
    own = replace(signal(str(FILE)), learns_from=timedelta(days=12))
    manifest = train(own, world_reader(), tmp_path, END, Walk(first=timedelta(days=5)))
    model = Registry.of(tmp_path, own.name).model(manifest)
    assert isinstance(model, Fitted)
    assert type(model.value).__name__ == "HuberRegressor"
