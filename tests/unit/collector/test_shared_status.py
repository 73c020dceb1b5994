"""What one machine's collector says of its feeds, `status` shows on another."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from energy_platform.ingest.collector.service import feed_statuses
from energy_platform.ingest.collector.shared_status import SharedStatus
from energy_platform.ingest.collector.source_task import FeedState, FeedStatus
from energy_platform.settings import StatePlace
from energy_platform.storage.state import Statements, StateTables
from tests.support.postgres_server import PostgresServer

RUNNING = FeedStatus(state=FeedState.RUNNING, landed_messages=7)
WAITING = FeedStatus(state=FeedState.STANDBY)


def test_what_is_told_is_read_as_long_as_it_is_told(
    place: StatePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedStatus(place)
    assert shared.read() == {}
    shared.write({"a": asdict(RUNNING), "b": asdict(WAITING)})
    shared.write({"b": asdict(RUNNING)})
    assert shared.read() == {"a": asdict(RUNNING), "b": asdict(RUNNING)}
    clock = type(shared._tables).clock

    def later(tables: StateTables, statements: Statements) -> float:
        return clock(tables, statements) + 61

    monkeypatch.setattr(type(shared._tables), "clock", later)
    assert shared.read() == {}, "nobody has told it for a minute"


def own_file(place: StatePlace, **statuses: FeedStatus) -> None:
    (place.home / "run").mkdir(parents=True, exist_ok=True)
    said = {name: asdict(one) for name, one in statuses.items()}
    (place.home / "run" / "feeds.json").write_text(json.dumps(said))


def test_a_machine_shows_the_feeds_that_another_runs(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = SecretStr(postgres.url(postgres.new_database()))
    here, there = StatePlace(tmp_path / "here", url), StatePlace(tmp_path / "there", url)
    own_file(here, mine=RUNNING, theirs=WAITING, nobodys=WAITING)
    SharedStatus(there).write({"theirs": asdict(replace(RUNNING, detail="slow"))})
    assert feed_statuses(here) == {
        "mine": RUNNING,
        "theirs": replace(RUNNING, detail="slow"),
        "nobodys": WAITING,
    }
    assert set(feed_statuses(there)) == {"theirs"}


def test_while_the_database_is_away_a_machine_shows_its_own(tmp_path: Path) -> None:
    away = SecretStr("postgresql://desk:hunter2@127.0.0.1:1/energy")
    place = StatePlace(tmp_path, away)
    own_file(place, mine=RUNNING)
    assert feed_statuses(place) == {"mine": RUNNING}
