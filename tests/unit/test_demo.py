"""A demo: its past is honest, it is the simulator's world, and it is made once."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

import energy_platform as ep
from demo.windows import windows
from energy_platform.errors import DemoError
from energy_platform.reading import demo as demos
from energy_platform.reading.platform import Platform
from simulator.power_system.system import NUMBERS, power_system
from tests.support.small_demo import DAYS, small_demo, small_demo_folder

BERLIN = ZoneInfo("Europe/Berlin")
PRICE = "entsoe_day_ahead_price"
IMBALANCE = "netztransparenz_imbalance"
SEED = 7
"""The simulator's, unless another is chosen."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return small_demo(tmp_path_factory)


def test_it_is_made_once_and_nothing_of_a_killed_making_stays(
    desk: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = small_demo_folder(tmp_path_factory)
    home = Path(str(desk.place.where))
    assert [one for one in folder.iterdir() if one.is_dir()] == [home]
    began = time.monotonic()
    assert ep.demo(days=DAYS, folder=folder).place == desk.place
    assert time.monotonic() - began < 5


def german_prices(
    desk: Platform, start: datetime | None = None, end: datetime | None = None
) -> pl.DataFrame:
    """Return the coupled auction's prices."""
    rows = desk.load(PRICE, start=start, end=end)
    return rows.filter(bidding_zone="DE-LU", auction_sequence=1).sort("delivery_start")


def test_days_are_the_last_ones_and_both_changes_of_the_clocks() -> None:
    first, last = windows(90, date(2026, 11, 15))
    assert (first.first, first.end) == (date(2026, 3, 26), date(2026, 4, 2))
    assert (last.first, last.end) == (date(2026, 8, 17), date(2026, 11, 15))
    assert [each.first for each in windows(1, date(2026, 11, 15))] == [
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2026, 11, 14),
    ]


def test_demo_is_the_world_of_the_simulator(desk: Platform) -> None:
    prices = german_prices(desk)
    seconds = prices["delivery_start"].dt.epoch("s").to_numpy().astype(float)
    zones = np.full(seconds.shape, NUMBERS["DE-LU"])
    assert seconds.size > 3 * 92
    assert np.allclose(
        prices["price_eur_per_mwh"].to_numpy(),
        power_system(SEED).price(zones, seconds),
        atol=0.0051,
    )


def test_no_price_is_known_before_the_auction(desk: Platform) -> None:
    known = german_prices(desk).with_columns(
        eve=pl.col("delivery_start").dt.convert_time_zone("Europe/Brussels").dt.date()
        - timedelta(days=1)
    )
    local = known["received_at"].dt.convert_time_zone("Europe/Brussels")
    assert (local.dt.date() >= known["eve"]).all()
    on_the_eve = known.filter(local.dt.date() == known["eve"])
    assert on_the_eve.height >= 96
    assert set(on_the_eve["received_at"].dt.convert_time_zone("Europe/Brussels").dt.time()) == {
        datetime(2026, 1, 1, 12, 58).time()  # noqa: DTZ001 (a time of day)
    }


def test_as_of_an_instant_is_what_was_known_then(desk: Platform) -> None:
    instant = datetime(2026, 11, 14, 11, tzinfo=UTC)
    first, before = (
        desk.load(IMBALANCE, start=instant - timedelta(hours=6), end=instant, as_of=at).filter(
            series="Deutschland", quality="operational"
        )
        for at in (datetime(2026, 11, 15, tzinfo=UTC), instant)
    )
    assert first.height == 24
    assert before["delivery_start"].max() == instant - timedelta(minutes=45)
    assert before.height == 22


@pytest.mark.parametrize(
    ("day", "quarters"),
    [
        (date(2026, 3, 29), 92),
        (date(2026, 3, 30), 96),
        (date(2026, 10, 25), 100),
        (date(2026, 10, 26), 96),
        (date(2026, 11, 15), 96),
    ],
)
def test_each_day_has_its_quarter_hours(desk: Platform, day: date, quarters: int) -> None:
    start, end = (
        datetime.combine(each, datetime.min.time(), BERLIN) for each in (day, day + timedelta(1))
    )
    assert german_prices(desk, start=start, end=end).height == quarters


def test_only_plants_that_germany_has_fail(desk: Platform) -> None:
    failed = set(desk.load("entsoe_outage")["production_type"].unique())
    assert "Fossil Brown coal/Lignite" in failed
    assert "Nuclear" not in failed


@pytest.mark.parametrize("source", ["entsoe_generation", "entsoe_wind_solar_forecast", IMBALANCE])
def test_a_later_revision_is_known_later(desk: Platform, source: str) -> None:
    known = desk.revisions(source).select("known_at", "superseded_at", "revision_index")
    revised = known.filter(pl.col("superseded_at").is_not_null())
    assert revised.height > 0
    assert (revised["superseded_at"] > revised["known_at"]).all()


def test_an_installed_library_says_where_demos_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demos, "_CHECKOUT", tmp_path)
    demos._made_by.cache_clear()
    try:
        with pytest.raises(DemoError, match="run `make demo` in a checkout"):
            ep.demo(days=1, folder=tmp_path)
    finally:
        demos._made_by.cache_clear()
