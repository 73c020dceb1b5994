"""Tables of the state keep the same promises in a file of one machine and in a database of many."""

import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from energy_platform.errors import StateUnavailableError
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.settings import StatePlace
from energy_platform.storage import postgres as connections
from energy_platform.storage.state import StateTables, state_tables
from tests.support.postgres_server import (
    NO_BOUNCER,
    PostgresServer,
    bouncer_program,
    pgbouncer,
)
from tests.unit.limit_askers import SHARED, start_asker

LAYOUT = """
CREATE TABLE IF NOT EXISTS said (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, word TEXT, size INTEGER, content BLOB
);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
HOLDING = """
import sys, time
from pathlib import Path
from pydantic import SecretStr
from energy_platform.settings import StatePlace
from energy_platform.storage.state import state_tables
from tests.unit.test_state_tables import LAYOUT
tables = state_tables(StatePlace(Path(), SecretStr(sys.argv[1])), "some.sqlite", LAYOUT)
with tables.transaction() as statements:
    statements.execute("INSERT INTO said (word) VALUES ('unfinished')")
    print("holds", flush=True)
    time.sleep(600)
"""
"""A program of another machine that stops in the middle of a transaction."""


def tables_at(place: StatePlace) -> StateTables:
    return state_tables(place, "some.sqlite", LAYOUT)


@pytest.fixture
def tables(place: StatePlace) -> StateTables:
    return tables_at(place)


def words(tables: StateTables) -> list[Any]:
    with tables.transaction("DEFERRED") as statements:
        found = statements.execute("SELECT word FROM said ORDER BY number").fetchall()
    return [word for (word,) in found]


def test_text_is_kept_by_a_database_that_takes_itself_for_ascii(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    postgres.execute(
        "CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' TEMPLATE template0"
        " LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    tables = tables_at(StatePlace(tmp_path, SecretStr(postgres.url("ascii_only"))))
    with tables.transaction() as statements:
        statements.execute("INSERT INTO said (word) VALUES (?)", ("Čez, 100 €",))
    assert words(tables) == ["Čez, 100 €"]


def test_what_is_stored_comes_back_as_it_was(tables: StateTables) -> None:
    assert not tables.is_begun()
    values = (1.0 / 3, "Grüße, 100 %?", 2**53 + 1, b"\x00\xff")
    insert = "INSERT INTO said (at, word, size, content) VALUES (?, ?, ?, ?)"
    with tables.transaction() as statements:
        assert statements.execute(insert, values).rowcount == 1
        statements.executemany(insert, [(None, "a", 1, None), (None, "b", 2, None)])
    assert tables.is_begun()
    assert tables.stored_bytes() > 0
    with tables.reading() as statements:
        [first, *others] = statements.execute("SELECT * FROM said ORDER BY number")
        assert (*first[1:4], bytes(first[4])) == values
        assert [row[1:] for row in others] == [(None, "a", 1, None), (None, "b", 2, None)]
        numbers = [row[0] for row in (first, *others)]
        assert numbers == sorted(numbers)
    tables.give_back()
    tables.close()
    assert len(words(tables)) == 3


def test_a_transaction_that_fails_stores_nothing(tables: StateTables) -> None:
    def fail() -> None:
        with tables.transaction() as statements:
            statements.execute("INSERT INTO said (word) VALUES ('a')")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (the one above)
        fail()
    assert words(tables) == []
    with tables.transaction() as statements:
        statements.execute("INSERT INTO said (word) VALUES ('b')")
    assert words(tables) == ["b"]


def test_those_who_write_take_turns(place: StatePlace) -> None:
    def count() -> None:
        tables = tables_at(place)
        for _ in range(20):
            with tables.transaction() as statements:
                found = statements.execute("SELECT value FROM counter").fetchone()
                statements.execute(
                    "INSERT INTO counter VALUES ('n', ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    [1 + (found[0] if found else 0)],
                )

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with tables_at(place).reading() as statements:
        assert statements.execute("SELECT value FROM counter").fetchone() == (80,)


def test_who_reads_sees_one_state_while_another_writes(place: StatePlace) -> None:
    reader, writer = tables_at(place), tables_at(place)
    with writer.transaction() as statements:
        statements.execute("INSERT INTO said (word) VALUES ('a')")
    with reader.transaction("DEFERRED") as reading:
        before = reading.execute("SELECT word FROM said").fetchall()
        with writer.transaction() as statements:
            statements.execute("INSERT INTO said (word) VALUES ('b')")
        assert reading.execute("SELECT word FROM said").fetchall() == before == [("a",)]
    assert words(reader) == ["a", "b"]


def test_tables_of_two_names_do_not_meet(place: StatePlace) -> None:
    with state_tables(place, "one.sqlite", LAYOUT).transaction() as statements:
        statements.execute("INSERT INTO said (word) VALUES ('a')")
    assert words(state_tables(place, "folder/one.sqlite", LAYOUT)) == []


def test_the_clock_is_the_one_of_all(tables: StateTables) -> None:
    with tables.transaction() as statements:
        first = tables.clock(statements)
        second = tables.clock(statements)
    assert abs(first - time.time()) < 60
    assert first < second


@pytest.fixture
def shared(postgres: PostgresServer, tmp_path: Path) -> StatePlace:
    """A home of one machine whose state is in a database."""
    return StatePlace(tmp_path / "one", SecretStr(postgres.url(postgres.new_database())))


def test_two_machines_keep_one_providers_rate_whatever_their_clocks_say(
    shared: StatePlace, tmp_path: Path
) -> None:
    machines = [
        start_asker(StatePlace(tmp_path / name, shared.url), fast_seconds=fast)
        for name, fast in (("one", 0.0), ("two", 3_600.0), ("three", -3_600.0))
    ]
    try:
        for machine in machines:
            assert machine.stdout is not None
            machine.stdout.readline()  # it is up and asking
        time.sleep(3)
        ProviderLimits(shared).ban(SHARED, 600)
        banned_at = time.time()
        time.sleep(1)
    finally:
        for machine in machines:
            machine.kill()
    times = [[float(line) for line in one.communicate()[0].split()] for one in machines]
    every = sorted(at for machine in times for at in machine)
    assert min(map(len, times)) >= 3, "every machine has its turns"
    # Turns are exact; when a process wakes up for one and prints is not.
    assert max(sum(first <= at < first + 0.9 for at in every) for first in every) <= 15 + 3
    assert sum(at > banned_at for at in every) <= 3, "each may have had its turn just before"


def test_a_machine_that_hangs_or_dies_in_a_transaction_holds_the_others_up_for_a_while_only(
    shared: StatePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shared.url is not None
    monkeypatch.setattr(connections, "_TURN_SECONDS", 1)
    short = f"from energy_platform.storage import postgres\npostgres._TURN_SECONDS = 1\n{HOLDING}"
    tables = tables_at(shared)
    assert words(tables) == []
    with subprocess.Popen(
        [sys.executable, "-c", short, shared.url.get_secret_value()],
        stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        give_up_at = time.monotonic() + 20
        while True:
            try:
                with tables.transaction() as statements:
                    statements.execute("INSERT INTO said (word) VALUES ('went on')")
                break
            except StateUnavailableError:
                assert time.monotonic() < give_up_at
        assert other.poll() is None, "it only hangs"
        other.kill()
    assert words(tables) == ["went on"]


@pytest.mark.parametrize("through", ["server", "bouncer"])
def test_a_database_that_is_away_is_named_and_comes_back_with_all_it_had(
    through: str, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PgBouncer itself waits for the server to come back.
    monkeypatch.setattr(connections, "_ANSWER_SECONDS", 3.0)
    if through == "bouncer" and bouncer_program() is None:
        pytest.skip(NO_BOUNCER)
    database = postgres.new_database()
    with nullcontext(postgres) if through == "server" else pgbouncer(postgres) as entrance:
        tables = tables_at(StatePlace(tmp_path, SecretStr(entrance.url(database))))
        with tables.transaction() as statements:
            statements.execute("INSERT INTO said (word) VALUES ('before')")
        postgres.kill()
        try:
            with pytest.raises(StateUnavailableError) as said:
                words(tables)
        finally:
            postgres.start()
        assert f"127.0.0.1:{entrance.port}/{database}" in str(said.value)
        assert "secret" not in str(said.value)
        give_up_at = time.monotonic() + 30
        while True:
            try:
                assert words(tables) == ["before"]
                break
            except StateUnavailableError:
                assert time.monotonic() < give_up_at
                time.sleep(0.1)


def test_a_database_that_comes_back_empty_is_begun_anew(
    shared: StatePlace, postgres: PostgresServer
) -> None:
    assert shared.url is not None
    tables = tables_at(shared)
    assert words(tables) == []
    postgres.execute('DROP SCHEMA "some" CASCADE', shared.url.get_secret_value().rpartition("/")[2])
    with pytest.raises(StateUnavailableError, match='relation "said" does not exist'):
        words(tables)
    assert words(tables) == []
