"""Holds the verdict on rows against the one that pandera alone has of them."""

from collections.abc import Callable

import polars as pl
from polars.testing import assert_frame_equal

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.row_verdicts import Split, split, split_by_pandera


def held_to_pandera(source: MarketSource, rows: pl.DataFrame) -> Split | None:
    """Return the verdict; None where pandera raises, and `split` too. Any difference fails."""
    expected = _outcome(lambda: split_by_pandera(source, rows))
    found = _outcome(lambda: split(source, rows))
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return None
    assert_frame_equal(found.passing, expected.passing)
    assert_frame_equal(found.failing, expected.failing)
    return found


def _outcome(work: Callable[[], Split]) -> Split | str:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 (both must fail alike)
        return type(error).__name__
