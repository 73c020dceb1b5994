"""A process that grows is told apart from one that warms up, and from one that breathes."""

from collections.abc import Sequence

import pytest

from tests.faults.memory import growing


def noted(used_mb: Sequence[float]) -> dict[str, list[tuple[float, float]]]:
    return {"collector": [(minute, mb) for minute, mb in enumerate(used_mb)]}


@pytest.mark.parametrize(
    "used_mb",
    [
        pytest.param([100.0] * 30, id="flat"),
        pytest.param([50.0] * 10 + [200.0] * 20, id="warms up"),
        pytest.param([100.0, 100.0, 190.0] * 10, id="breathes"),
        pytest.param([100.0] * 29 + [400.0], id="one large batch at last"),
        pytest.param([10.0] * 20 + [20.0] * 10, id="a few MB"),
    ],
)
def test_what_is_bounded_is_no_growth(used_mb: Sequence[float]) -> None:
    assert list(growing(noted(used_mb))) == []


def test_what_grows_is_named() -> None:
    told = list(growing(noted([100.0 + 10.0 * minute for minute in range(30)])))
    assert told == ["collector grows: 245 MB, then 345 MB"]


def test_the_live_bus_may_fill_what_it_is_given_and_no_more() -> None:
    filling = [(float(minute), 20.0 + 3.0 * minute) for minute in range(40)]
    assert list(growing({"live-bus": filling})) == []
    longer = [(minute, 2.0 * used_mb) for minute, used_mb in filling]
    assert list(growing({"live-bus": longer})) == ["live-bus grows: 157 MB, then 238 MB"]


def test_what_was_noted_too_seldom_is_not_judged() -> None:
    with pytest.raises(AssertionError, match="collector was noted 8 times only"):
        list(growing(noted([100.0] * 8)))
