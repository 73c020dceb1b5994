"""The backfill command, as a user or a script meets it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from energy_platform.errors import FeedError
from energy_platform.market.feed import FeedSession, HistoryChunk, WireProtocol
from energy_platform.market.raw_message import RawMessage
from simulator.world import ADDRESSES_NAME
from tests.support.commands import Command, command_in_process
from tests.support.environment import add_source_module
from tests.support.sources import example_message

SOURCE = """
from dataclasses import replace
from tests.support.sources import EXAMPLE
from tests.unit.cli.test_backfill_command import PastFeed

PAST = replace(EXAMPLE, name="past_price", feed=PastFeed())
"""
WINDOW = ("--start", "2026-01-01", "--end", "2026-01-03T06:00+01:00")


@dataclass(frozen=True)
class PastFeed:
    """A past of three chunks; the second does what `troubles` says, once each."""

    protocol: ClassVar[WireProtocol] = WireProtocol.REST
    keeps_history: ClassVar[bool] = True
    troubles: ClassVar[list[BaseException]] = []
    asked: ClassVar[list[tuple[str, ...]]] = []

    async def run(self, session: FeedSession) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        asked = (session.address("https://past.example/x"), start.isoformat(), end.isoformat())
        self.asked.append(asked)
        yield [HistoryChunk(key=f"day {day}", fetch=partial(self._day, day)) for day in (1, 2, 3)]

    async def _day(self, day: int) -> Sequence[RawMessage]:
        if day == 2 and self.troubles:
            raise self.troubles.pop(0)
        return [
            example_message(b"garbage" if day == 3 else [("CZ", day, 1.0), ("DE-LU", day, 2.0)])
        ]


@pytest.fixture
def command(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run the backfill command in this process, with a simulator's addresses in place."""
    add_source_module(tmp_path / "sources", "past_price", SOURCE, monkeypatch)
    (home / "simulator").mkdir(parents=True)
    (home / "simulator" / ADDRESSES_NAME).write_text(
        '{"https://past.example": "http://127.0.0.1:1"}'
    )
    monkeypatch.setattr(PastFeed, "asked", [])
    monkeypatch.setattr("energy_platform.ingest.backfill.run._FIRST_PAUSE_SECONDS", 0.01)

    return partial(command_in_process(monkeypatch, capsys), "backfill")


def test_it_lands_stores_and_says_what_came_of_it(command: Command) -> None:
    first = command("past_price", *WINDOW)
    summary = (
        "3 of 3 chunks landed (0 by an earlier run, 0 empty):"
        " 3 messages, 4 new rows, 1 quarantined\n"
    )
    assert first == (0, summary, "")
    second = command("past_price", *WINDOW)
    assert second.code == 0
    assert "(3 by an earlier run" in second.out
    assert "finished before; --again asks" in second.out
    assert PastFeed.asked == [
        ("http://127.0.0.1:1/x", "2026-01-01T00:00:00+00:00", "2026-01-03T05:00:00+00:00")
    ]
    again = command("past_price", *WINDOW, "--again")
    assert "(0 by an earlier run, 0 empty): 3 messages, 0 new rows" in again.out
    assert len(PastFeed.asked) == 2


def test_a_chunk_that_is_left_is_named_and_asked_for_again(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PastFeed, "troubles", [FeedError("no such day")] * 5)
    failed = command("past_price", *WINDOW)
    assert failed.code == 1
    assert "2 of 3 chunks landed" in failed.out
    assert "day 2: no such day" in failed.error
    assert "1 chunk left" in failed.error
    mended = command("past_price", *WINDOW)
    assert mended.code == 0
    assert "3 of 3 chunks landed (2 by an earlier run" in mended.out


def test_ctrl_c_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PastFeed, "troubles", [KeyboardInterrupt()])
    stopped = command("past_price", *WINDOW)
    assert (stopped.code, stopped.out) == (1, "")
    assert "the same command goes on where it was" in stopped.error
    assert "3 of 3 chunks landed (1 by an earlier run" in command("past_price", *WINDOW).out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nonsense", *WINDOW), "nonsense"),
        (("past_price", "--start", "soon", "--end", "2026-01-02"), "not an instant"),
        (("past_price", "--start", "2026-01-02", "--end", "2026-01-02"), "starts before it ends"),
        (("past_price", "--start", "2026-01-02", "--end", "2100-01-01"), "history ends now"),
        (
            ("nord_pool_intraday_trade", *WINDOW),
            "nord_pool_intraday_trade: Nord Pool serves no history by this feed",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    command: Command, arguments: tuple[str, ...], why: str
) -> None:
    answer = command(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert why in answer.error
    assert "Traceback" not in answer.error
    assert PastFeed.asked == []


def test_without_a_simulated_market_it_says_how_to_have_one(command: Command, home: Path) -> None:
    (home / "simulator" / ADDRESSES_NAME).unlink()
    answer = command("past_price", *WINDOW)
    assert answer.code == 2
    assert "no simulated market runs" in answer.error
