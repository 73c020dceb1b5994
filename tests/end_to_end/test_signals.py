"""Trading signals on a whole platform at sixty times the market's pace, on a home with a past.

The past is a demo's. One test after another on one platform, in the order of this file.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from energy_platform.market.registry import market_source
from energy_platform.signals.catalogue import signals
from energy_platform.signals.registry import Registry
from energy_platform.signals.speaking import NO_MODEL
from tests.support.environment import UNUSUAL_HOME
from tests.support.running_platform import RunningPlatform, script, started, wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]

SIGNALS = sorted(signals())
HOURLY, DAILY = "imbalance_de", "id3_spread_de"
"""That whose gates come all day, and that which has decided in the afternoon about the next day."""
TRADING_SIGNAL = market_source("trading_signal")
DEMO_DAYS = 6
BEFORE_THE_NIGHT = datetime(2026, 11, 15, 0, 30, tzinfo=UTC)
"""An hour and a half before the training of a night: so much of the market passes in 90 s."""
SPEED, RATE = "60", "0.05"
TRAINED_SECONDS = 600.0
SPOKEN_SECONDS = 300.0
UPKEEP_MINUTES, LATEST_START_MINUTE = 10, 4


def a_past(folder: Path) -> Path:
    """Make a demo; return its folder."""
    made = subprocess.run(
        [script(), "demo", "--days", str(DEMO_DAYS), "--end", "2026-11-15"],
        env={**os.environ, "ENERGY_PLATFORM_HOME": str(folder / "beside"),
             "ENERGY_PLATFORM_DEMO": str(folder)},
        capture_output=True, text=True, check=True, timeout=1200,
    )  # fmt: skip
    return Path(made.stdout.strip().splitlines()[-1])


def wait_for_room() -> None:
    """Wait until the upkeep of tables is far: it deletes rows that were received long ago."""
    while datetime.now(UTC).minute % UPKEEP_MINUTES >= LATEST_START_MINUTE:
        time.sleep(5)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    folder = tmp_path_factory.mktemp("signals")
    home = folder / UNUSUAL_HOME
    a_past(folder).rename(home)
    wait_for_room()
    settings = {
        "ENERGY_PLATFORM_SIMULATOR_ORIGIN": BEFORE_THE_NIGHT.isoformat(),
        "ENERGY_PLATFORM_SIMULATOR_SPEED": SPEED,
        "ENERGY_PLATFORM_SIMULATOR_RATE": RATE,
        "ENERGY_PLATFORM_SIGNALS_FIRST_DAYS": str(DEMO_DAYS // 2),
        "ENERGY_PLATFORM_HOT_DAYS": "36500",
    }
    with started(home, settings) as running:
        yield running


def versions(platform: RunningPlatform, signal: str) -> list[str]:
    return Registry.of(platform.home, signal).versions()


def words(platform: RunningPlatform) -> pl.DataFrame:
    return platform.stored(TRADING_SIGNAL)


def speakers(rows: pl.DataFrame) -> set[tuple[str, str]]:
    """Return the signals that said something, each with the model that did."""
    spoken = rows.filter(pl.col("silent_because").is_null())
    return {(signal, model) for signal, model in spoken.select("signal", "model_version").rows()}


def shown(platform: RunningPlatform) -> dict[str, dict[str, object]]:
    """Return of each signal what the dashboard shows of the delivery that comes next."""
    rows = httpx.get(f"{platform.dashboard}/api/signals", timeout=60).raise_for_status().json()
    return {row["signal"]: row for row in reversed(rows["rows"])}


def test_a_signal_is_silent_then_trained_and_speaks(platform: RunningPlatform) -> None:
    wait_for("model of each signal", lambda: all(versions(platform, one) for one in SIGNALS),
             TRAINED_SECONDS)  # fmt: skip
    first = {(one, versions(platform, one)[0]) for one in SIGNALS}
    wait_for("word of each", lambda: first <= speakers(words(platform)), SPOKEN_SECONDS)
    rows = words(platform)
    assert NO_MODEL in rows["silent_because"].to_list()
    spoken = rows.filter(pl.col("silent_because").is_null())
    assert spoken["chance_above_pct"].null_count() == 0
    assert spoken.filter(pl.col("features_known_at") > pl.col("gate_at")).is_empty()
    silent = rows.filter(pl.col("silent_because").is_not_null())
    assert silent["chance_above_pct"].null_count() == silent.height


def test_it_is_trained_again_at_night_and_the_new_model_speaks(platform: RunningPlatform) -> None:
    wait_for("second model", lambda: all(len(versions(platform, one)) > 1 for one in SIGNALS),
             TRAINED_SECONDS)  # fmt: skip
    night = BEFORE_THE_NIGHT + timedelta(hours=1, minutes=30)
    for one in SIGNALS:
        registry = Registry.of(platform.home, one)
        before, after = (registry.manifest(version) for version in registry.versions()[:2])
        assert before.trained_at < night <= after.trained_at
        assert before.outcomes_known_until <= before.trained_at - signals()[one].embargo
        assert after.scores
    newest = {(one, versions(platform, one)[1]) for one in SIGNALS}
    hourly = {(HOURLY, versions(platform, HOURLY)[1])}
    wait_for("word", lambda: hourly <= speakers(words(platform)), SPOKEN_SECONDS)
    assert newest & speakers(words(platform)) == hourly, "what was decided stays"


def test_the_screen_and_the_graph_tell_of_the_model(platform: RunningPlatform) -> None:
    newest = versions(platform, HOURLY)[-1]
    wait_for(
        "delivery that the newest model decided",
        lambda: shown(platform)[HOURLY]["model_version"] == newest,
        SPOKEN_SECONDS,
    )
    told = shown(platform)
    for one in SIGNALS:
        version = versions(platform, one)[-1]
        speaker = version if one == HOURLY else versions(platform, one)[0]
        assert told[one]["model_version"] == speaker
        assert told[one]["loss"] is not None
        [node] = platform.query(
            f"""{{ assetNodes(assetKeys: [{{path: ["{one}_model"]}}]) {{
                  assetMaterializations(limit: 1) {{ metadataEntries {{
                    label ... on TextMetadataEntry {{ text }} }} }} }} }}"""
        )["assetNodes"]
        entries = node["assetMaterializations"][0]["metadataEntries"]
        assert {"label": "model_version", "text": version} in entries
        assert "scores" in {entry["label"] for entry in entries}


def test_a_damaged_model_silences_its_signal_alone(platform: RunningPlatform) -> None:
    damaged, other = HOURLY, DAILY
    registry = Registry.of(platform.home, damaged)
    with (registry.folder / registry.versions()[-1] / "model.skops").open("ab") as file:
        file.write(b"x")
    wait_for("silence", lambda: "can't be used" in str(shown(platform)[damaged]["silent_because"]),
             SPOKEN_SECONDS)  # fmt: skip
    assert shown(platform)[damaged]["q50"] is None
    assert shown(platform)[other]["q50"] is not None
