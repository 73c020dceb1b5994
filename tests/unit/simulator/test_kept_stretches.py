"""Statements that are kept are those that would be worked out anew, and not too many are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from simulator import kept_stretches
from simulator.kept_stretches import KeptStretches

QUARTER = timedelta(minutes=15)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Stated:
    """Two statements about each quarter-hour of each of two series; counts its questions."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, start: datetime, end: datetime, **wanted: Any) -> pl.DataFrame:
        """Return the statements about slots that start in [start, end)."""
        self.asked += 1
        slots = pl.datetime_range(start, end, QUARTER, closed="left", eager=True)
        series = pl.DataFrame({"series": [wanted["series"]] if wanted else [0, 1]})
        revisions = pl.DataFrame({"revision": [0, 1]})
        return series.join(pl.DataFrame({"slot": slots}), how="cross").join(revisions, how="cross")


@pytest.mark.parametrize("wanted", [{}, {"series": 1}])
@pytest.mark.parametrize("days", [0, 1, 3, 40])
def test_what_is_kept_is_what_is_stated(wanted: dict[str, int], days: int) -> None:
    stated = Stated()
    kept = KeptStretches(stated, QUARTER)
    kept.over(NOON + timedelta(days=1), NOON + timedelta(days=1, hours=1), wanted)
    for _ in range(2):
        end = NOON + timedelta(days=days, hours=1)
        found = kept.over(NOON, end, wanted)
        asked = found.filter(pl.col("slot").is_between(NOON, end, closed="left"))
        assert asked.equals(stated(NOON, end, **wanted))


def test_a_question_that_is_put_again_is_not_worked_out_again() -> None:
    stated = Stated()
    kept = KeptStretches(stated, QUARTER)
    for hour in range(12):
        kept.over(NOON + timedelta(hours=hour - 9), NOON + timedelta(hours=hour), {"series": 1})
    assert stated.asked == 1
    kept.over(NOON, NOON + QUARTER, {"series": 0})
    assert stated.asked == 2


def test_old_stretches_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_stretches, "_KEPT_ROWS", 3 * 96 * 4)
    stated = Stated()
    kept = KeptStretches(stated, QUARTER)
    for day in range(5):
        kept.over(NOON + timedelta(days=day), NOON + timedelta(days=day, hours=1), {})
    assert stated.asked == 5
    kept.over(NOON + timedelta(days=2), NOON + timedelta(days=4, hours=1), {})
    assert stated.asked == 5
    kept.over(NOON, NOON + QUARTER, {})
    assert stated.asked == 6
