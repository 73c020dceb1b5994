"""What is to be expected of the simulated world, by one who knows all that is so at an instant."""

from datetime import timedelta

import numpy as np
import pytest

from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import NUMBERS, power_system
from simulator.power_system.wandering import Wandering

BEGIN = 1_767_225_600.0
"""1 January 2026."""
DAYS = 120
SYSTEM = power_system(7)


def deliveries(step: timedelta) -> tuple[Ints, Floats]:
    seconds = step.total_seconds()
    starts = BEGIN + seconds * np.arange(DAYS * 86_400.0 / seconds)
    return np.full(starts.shape, NUMBERS["DE-LU"]), starts


def drift(memory: timedelta = timedelta(hours=8)) -> Wandering:
    step = timedelta(minutes=15)
    return Wandering(seed=1, about="drift", size=6.0, step=step, memory=memory)


def test_what_wanders_is_the_same_however_it_is_asked_for() -> None:
    numbers = np.arange(40) % 3
    seconds = BEGIN + 977.0 * np.arange(40, dtype=np.float64)
    whole = drift().at(numbers, seconds)
    each = [drift().at(numbers[[n]], seconds[[n]])[0] for n in range(40)]
    assert whole.tolist() == each
    far = np.array([BEGIN, BEGIN + 3e8])
    assert drift().at(np.array([0, 0]), far)[0] == whole[0]


def test_what_wanders_has_its_size_and_its_memory() -> None:
    zones, seconds = deliveries(timedelta(minutes=15))
    wanders = drift(timedelta(hours=2))
    values = wanders.at(zones, seconds)
    assert values.std() == pytest.approx(6.0, rel=0.1)
    for steps in (4, 8, 16):
        seen = np.corrcoef(values[steps:], values[:-steps])[0, 1]
        kept = wanders.kept(seconds[:1], seconds[steps : steps + 1])[0]
        assert seen == pytest.approx(kept, abs=0.06)


@pytest.mark.parametrize("lead", [timedelta(hours=1), timedelta(minutes=90)])
def test_the_imbalance_is_what_was_foreseen_give_or_take_what_was_said(lead: timedelta) -> None:
    zones, seconds = deliveries(timedelta(minutes=15))
    came = SYSTEM.imbalance_mw(zones, seconds)
    mean, deviation = SYSTEM.foreseen_lack(zones, seconds, seconds - lead.total_seconds())
    missed = (came - mean) / deviation
    assert missed.std() == pytest.approx(1.0, abs=0.03)
    assert abs(missed.mean()) < 0.1
    slope = np.polyfit(mean, came, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.06), "nothing of what is foreseen is left over"


def test_the_intraday_price_goes_on_average_where_it_was_foreseen() -> None:
    # Each zone has surprises of its own, so that forty of them tell more than one does for years.
    _, starts = deliveries(timedelta(hours=5))
    zones, seconds = np.repeat(np.arange(40), starts.size), np.tile(starts, 40)
    at, known = seconds - 3_600.0, seconds - 12 * 3_600.0
    came = SYSTEM.intraday_price(zones, seconds, at) - SYSTEM.price(zones, seconds)
    foreseen = SYSTEM.foreseen_spread(zones, seconds, at, known)
    assert np.polyfit(foreseen, came, 1)[0] == pytest.approx(1.0, abs=0.05)
    assert came.std() > 1.15 * (came - foreseen).std(), "it tells something"
