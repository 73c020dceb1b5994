"""A thinned series keeps its extremes, and every row of it exists."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_platform.dashboard.api.thinning import thinned

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_day(spike: int | None = None) -> pl.DataFrame:
    seconds = pl.DataFrame({"n": range(86_400)})
    hz = 50 + (pl.col("n") / 500).sin() / 50
    shown = hz if spike is None else pl.when(n=spike).then(49.2).otherwise(hz)
    at = pl.lit(NOON) + pl.duration(seconds="n")
    return seconds.select(at=at, area=pl.lit("CE"), hz=shown)


@pytest.mark.parametrize("spike", [0, 12_345, 86_399])
def test_a_spike_of_one_second_is_still_seen(spike: int) -> None:
    day = a_day(spike)
    few = thinned(day, "at", ["area"], ["hz"], 1000)
    assert 500 < few.height <= 1001
    assert few["hz"].min() == 49.2
    assert few["hz"].max() == day["hz"].max()
    assert few["at"].is_sorted()
    assert few.join(day, on=day.columns, how="semi").height == few.height
    assert few["at"].last() == NOON + timedelta(seconds=86_399)


def test_each_series_has_its_own_points() -> None:
    two = pl.concat([a_day(), a_day(777).with_columns(area=pl.lit("GB"))]).sort("at")
    few = thinned(two, "at", ["area"], ["hz"], 200)
    counts = dict(few["area"].value_counts().rows())
    assert all(100 < count <= 201 for count in counts.values())
    assert few.filter(area="GB")["hz"].min() == 49.2


def test_what_is_short_or_has_no_values_stays_as_it_is() -> None:
    few = a_day().head(50)
    assert thinned(few, "at", ["area"], ["hz"], 50).equals(few)
    nothing = a_day().with_columns(hz=pl.lit(None, dtype=pl.Float64))
    assert thinned(nothing, "at", ["area"], ["hz"], 100).height == 1
    assert thinned(nothing, "at", [], ["hz"], 100).height == 1
    assert thinned(a_day(), "at", ["area"], [], 100).height == 86_400
