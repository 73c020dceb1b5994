"""The marts on DuckDB over Delta tables: made by dbt, brought up to date, read by a notebook."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.errors import UsageError
from energy_platform.marts.catalogue import marts
from energy_platform.marts.dbt_run import (
    build_marts,
    call_dbt,
    common_arguments,
    dbt_environment,
    mart_run,
)
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import Settings, settings
from tests.support.environment import UNUSUAL_HOME
from tests.support.landed_market import FIRST, LAST, land, late_revisions, the_market


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(tmp_path / UNUSUAL_HOME))
    for cached in (settings, micro_batches):
        cached.cache_clear()
    yield settings()
    for cached in (settings, micro_batches):
        cached.cache_clear()


def everything() -> dict[str, pl.DataFrame]:
    return {name: ep.load(name) for name in marts()}


def bring_up_to_date(home: Settings, batches: MicroBatches) -> dict[str, int | None]:
    built = build_marts(home, batches.warehouse)
    assert [one.error for one in built] == [None] * len(built)
    failed = {test for one in built for test in one.failed_tests}
    # The one price of SMARD's that was revised is what the sources differ in.
    assert failed <= {"day_ahead_price_sources_agree"}
    return {one.name: one.days for one in built}


@pytest.mark.timeout(600)
def test_marts_follow_late_revisions_as_if_they_had_been_made_after_them(home: Settings) -> None:
    batches = micro_batches()
    land(batches, the_market())
    assert bring_up_to_date(home, batches) == dict.fromkeys(marts())
    made = everything()
    assert all(frame.height > 0 for frame in made.values())
    # The day of 25 hours has 100 quarter-hours, the others 96.
    assert (
        made["features_de_lu"]["delivery_start"].to_list()
        == pl.datetime_range(FIRST, LAST, "15m", closed="left", eager=True).to_list()
    )
    assert bring_up_to_date(home, batches) == {}

    land(batches, late_revisions())
    days = bring_up_to_date(home, batches)
    assert days == {
        "day_ahead_price": 1,
        "features_de_lu": 4,
        "gas_balance": 1,
        "imbalance": 1,
        "intraday_bar": 3,
        "intraday_spread": 4,
        "residual_load": 9,
        "wind_solar_forecast_error": 1,
        "zone_spread": 1,
    }
    followed = everything()
    assert {name for name in marts() if not followed[name].equals(made[name])} >= {
        "day_ahead_price", "gas_balance", "imbalance", "intraday_bar", "residual_load",
    }  # fmt: skip

    # As anyone may call it by hand: every model, every test, every unit test, every day.
    said = call_dbt(["build", *common_arguments(home)], dbt_environment(home))
    assert " ERROR=0 SKIP=0 " in said, said[-3000:]
    assert "12 unit tests" in said
    for name, frame in everything().items():
        assert_frame_equal(followed[name], frame, rel_tol=1e-12)


def test_a_mart_is_read_like_a_source_but_has_no_past(home: Settings) -> None:
    (home.home / "warehouse").mkdir(parents=True)
    assert ep.load("zone_spread", missing="empty").is_empty()  # there is none yet
    assert (
        ep.scan("zone_spread", missing="empty").collect_schema()["spread_eur_per_mwh"] == pl.Float64
    )
    with pytest.raises(UsageError, match="mart"):
        ep.scan("zone_spread", as_of=FIRST)
    listed = ep.catalog().filter(kind="mart")
    assert listed["name"].to_list() == list(marts())
    spread = listed.filter(name="intraday_spread").to_dicts()[0]
    assert "nord_pool_intraday_trade" in spread["upstream"]
    assert {"name": "spread_eur_per_mwh", "unit": "EUR/MWh"}.items() <= {
        **spread["columns"][6]
    }.items()


def test_only_one_run_makes_marts(home: Settings) -> None:
    warehouse = micro_batches().warehouse
    with mart_run(home, warehouse), pytest.raises(UsageError, match="already"):
        build_marts(home, warehouse)
