"""Histories are read once for one piece of work, and each reader sees what it should."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from energy_platform.signals.german_market import BALANCE, LOAD_SURPRISE
from tests.support.signal_world import WorldReader, world_reader

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=3)


@dataclass(frozen=True)
class Counting(WorldReader):
    """Counts what it is asked for."""

    asked: list[str] = field(default_factory=list)

    def revisions(
        self, source: str, start: datetime, end: datetime, where: Mapping[str, str | int]
    ) -> pl.DataFrame:
        self.asked.append(source)
        return super().revisions(source, start, end, where)


def test_what_was_read_answers_for_a_shorter_time() -> None:
    counting = Counting(platform=world_reader().platform)
    reader = counting.keeping()
    LOAD_SURPRISE.read(reader, BEGIN, END)
    BALANCE.read(reader, BEGIN, END)
    later, day = BEGIN + timedelta(days=1), timedelta(days=1)
    for history in (LOAD_SURPRISE, BALANCE):
        kept, fresh = (
            history.read(one, later, later + day).sort("event") for one in (reader, world_reader())
        )
        assert kept.height == 96
        assert kept.equals(fresh, null_equal=True)
    assert sorted(counting.asked) == [
        "entsoe_load", "entsoe_load_forecast", "netztransparenz_imbalance"
    ]  # fmt: skip
    assert BALANCE.read(reader, BEGIN, END + day).height == 4 * 96
    assert len(counting.asked) == 4, "a longer time is read anew"


def test_a_reader_that_keeps_nothing_reads_again() -> None:
    counting = Counting(platform=world_reader().platform)
    for _ in range(2):
        BALANCE.read(counting, BEGIN, END)
    assert len(counting.asked) == 2


def test_hiding_what_is_known_later_forgets_what_was_kept() -> None:
    reader = world_reader().keeping()
    assert BALANCE.read(reader, BEGIN, END).height == 3 * 96
    back = BALANCE.read(reader.back_at(BEGIN + timedelta(hours=1)), BEGIN, END)
    assert back["event"].max() == BEGIN + timedelta(minutes=30)
