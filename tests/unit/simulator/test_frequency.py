"""The simulated frequency: noise that returns, jumps at schedule changes, a function of time."""

from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.power_system.frequency import GridFrequency, continental_europe, great_britain

DAY = datetime(2026, 3, 1, tzinfo=UTC).timestamp() + np.arange(86_400.0)
GRIDS = pytest.mark.parametrize("grid", [continental_europe(7), great_britain(7)], ids=["CE", "GB"])


@GRIDS
def test_any_window_has_the_same_values(grid: GridFrequency) -> None:
    whole = grid.at(DAY)
    for start, length in ((0, 1), (17, 900), (43_199, 3), (86_000, 400)):
        assert np.array_equal(grid.at(DAY[start : start + length]), whole[start : start + length])
    assert np.array_equal(grid.at(DAY[::-1]), whole[::-1])
    assert grid.at(DAY[:0]).size == 0


@GRIDS
def test_it_is_a_grids_frequency(grid: GridFrequency) -> None:
    values = grid.at(DAY)
    assert abs(values.mean() - 50) < 0.01
    assert 0.01 < values.std() < 0.08
    assert np.abs(values - 50).max() < 0.4
    assert np.abs(np.diff(values)).max() < 0.03, "a second changes little"


def test_it_repeats_itself_at_no_period() -> None:
    values = continental_europe(7).at(DAY) - 50
    spectrum = np.abs(np.fft.rfft(values)) ** 2
    assert spectrum.max() / spectrum.sum() < 0.2


def test_it_leaves_its_band_at_full_hours() -> None:
    away = np.abs(continental_europe(7).at(DAY) - 50)
    minute = (DAY / 60 % 60).astype(int)
    assert away[minute == 0].mean() > 1.5 * away[(minute >= 35) & (minute < 40)].mean()


def test_worlds_and_grids_differ() -> None:
    one = continental_europe(7).at(DAY[:600])
    assert not np.array_equal(one, continental_europe(8).at(DAY[:600]))
    assert not np.array_equal(one, great_britain(7).at(DAY[:600]))
