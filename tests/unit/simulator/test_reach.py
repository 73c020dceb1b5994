"""A statement that is made on a beat is journalled on it, however far from its slot's start.

Held over every timeline of every simulated provider: what a client sees and the journal does not
tell of would count as invented.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from simulator.timeline import Timeline
from simulator.world import OpenProvider, modelled_providers
from tests.support.feeds import a_world

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
SLOTS_FOR = timedelta(days=2)
A_DAY = timedelta(days=1)
INSTANT_BEFORE = timedelta(microseconds=1)


def timelines_of(
    provider: OpenProvider, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Timeline]:
    made = list[Timeline]()
    build = Timeline.__init__

    def noted(timeline: Timeline, **fields: Any) -> None:
        build(timeline, **fields)
        made.append(timeline)

    with monkeypatch.context() as patched:
        patched.setattr(Timeline, "__init__", noted)
        provider(a_world(folder, origin=NOON))
    return made


@pytest.mark.parametrize("provider", list(modelled_providers()), ids=lambda provider: provider.name)
def test_the_farthest_statements_are_news_on_their_own_beat(
    provider: OpenProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for timeline in timelines_of(provider, tmp_path, monkeypatch):
        one_series = timeline.series[0]
        stated = timeline.stated(NOON, NOON + SLOTS_FOR, **one_series)
        lead = stated.with_columns(lead=pl.col("slot") - pl.col("stated_at")).sort("lead")
        assert lead.select(pl.col("lead").abs().max()).item() <= timeline.reach, timeline.source
        for slot, beat in (lead.select("slot", "stated_at").row(end) for end in (0, -1)):
            said = timeline.stated(slot - A_DAY, slot + A_DAY)
            wanted = timeline.rows(said.filter(pl.col("stated_at") == beat)).to_dicts()
            timeline.journalled(beat - INSTANT_BEFORE)
            news = timeline.news(beat)
            assert wanted, timeline.source
            assert [row for row in wanted if row not in news] == [], timeline.source
