"""A process's connections to the Postgres that holds the state that machines share.

Dagster's storages and the shared state borrow them for a statement or a transaction each. So they
may go through PgBouncer in transaction mode: nothing is left at the server between two
transactions, neither a setting, a lock nor a prepared statement. What the tables mean is said by
those who use them.
"""

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg2
from psycopg2 import extensions
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from energy_platform.errors import StateUnavailableError

_CONNECT_SECONDS: Final = 10.0
"""How long a server may take to take a connection."""
_ANSWER_SECONDS: Final = 60.0
"""How long a server may take to answer a statement; one that hangs holds nobody up for longer."""
_TURN_SECONDS: Final = 30
"""How long a transaction waits for others, and how long a client that hangs may hold them up."""
_IDLE_SECONDS: Final = 1.0
"""After how long a connection is looked at before it is used."""
_OPEN: Final = 4
"""How many connections a process keeps open."""
_MORE: Final = 28
"""How many more it opens while so many threads use them at once."""

_engines: dict[tuple[int, str], Engine] = {}
"""One per database, and per process: a connection must not be used on both sides of a fork."""


def engine(url: str) -> Engine:
    """Return this process's connections to a database, of which each statement commits itself.

    A connection that has died is replaced when it is next borrowed.

    Args:
        url: `postgresql://user:password@host:port/database`.
    """
    place = (os.getpid(), url)
    if place not in _engines:
        extensions.set_wait_callback(_wait)
        opened = _engines[place] = create_engine(
            with_driver(url),
            isolation_level="AUTOCOMMIT",
            pool_size=_OPEN,
            max_overflow=_MORE,
            pool_timeout=_ANSWER_SECONDS,
            pool_use_lifo=True,
            # A server whose locale is C has databases of ASCII, and says so to its clients.
            connect_args={"application_name": "energy-platform", "client_encoding": "UTF8"},
        )
        event.listen(opened, "checkin", _note_use)
        event.listen(opened, "checkout", _look_after_idleness)
    return _engines[place]


def _note_use(_: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _look_after_idleness(
    connection: extensions.connection, record: ConnectionPoolEntry, _: object
) -> None:
    """Ask a server that was not asked for a while whether it is there.

    To ask before each statement would double the way over the network. A connection that dies
    between two quick statements fails the second, and takes all others with it.

    Raises:
        DisconnectionError: It is not; another connection is opened.
    """
    if time.monotonic() - record.info.get("used_at", time.monotonic()) > _IDLE_SECONDS:
        try:
            _execute(connection, "SELECT 1")
        except psycopg2.Error as error:
            raise DisconnectionError(str(error)) from error


def with_driver(url: str) -> str:
    """Return an address as SQLAlchemy wants it, which would take another driver otherwise.

    >>> with_driver("postgresql://desk:secret@db.example:5432/energy")
    'postgresql+psycopg2://desk:secret@db.example:5432/energy'
    """
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def _wait(connection: extensions.connection) -> None:
    """Wait for the server's answer, which psycopg2 by itself does for ever.

    Raises:
        psycopg2.OperationalError: It took too long; psycopg2 then closes the connection.
    """
    is_new = connection.status == extensions.STATUS_SETUP
    patience = _CONNECT_SECONDS if is_new else _ANSWER_SECONDS
    give_up_at = time.monotonic() + patience
    while (state := connection.poll()) != extensions.POLL_OK:
        waited_for = select.poll()
        reads = state == extensions.POLL_READ
        waited_for.register(connection.fileno(), select.POLLIN if reads else select.POLLOUT)
        if not waited_for.poll(max(0.0, give_up_at - time.monotonic()) * 1_000):
            raise psycopg2.OperationalError(f"there was no answer for {patience:.0f} seconds")


def place_of(url: str) -> str:
    """Return where a database is, without its password.

    >>> place_of("postgresql://desk:secret@db.example:5432/energy")
    'db.example:5432/energy'
    """
    said = make_url(url)
    return f"{said.host or 'localhost'}:{said.port or 5432}/{said.database}"


@contextmanager
def transaction(url: str, name: str, *, writes: bool = True) -> Iterator[extensions.connection]:
    """Begin a transaction; yield psycopg2's connection, which must not be committed.

    One that writes is alone among those of this name, as it is with a SQLite file. One that reads
    sees one state of all tables. All is asked for in one go, since each answer takes its way over
    the network. A client that hangs loses its transaction, so it holds up the others for a while.

    Args:
        url: The database.
        name: The schema whose tables the transaction is about; a plain word.
        writes: Whether it may write.

    Raises:
        StateUnavailableError: The database is away or refuses, or went away meanwhile.
    """
    began = (
        f"BEGIN; SET LOCAL search_path TO \"{name}\"; SET LOCAL lock_timeout = '{_TURN_SECONDS}s';"
        f" SET LOCAL idle_in_transaction_session_timeout = '{_TURN_SECONDS}s';"
        f" SELECT pg_advisory_xact_lock(hashtext('energy_platform.{name}'))"
        if writes
        else f'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO "{name}"'
    )
    with _borrowed(url) as connection:
        _execute(connection, began)
        try:
            yield connection
        except BaseException:
            if not connection.closed:
                _execute(connection, "ROLLBACK")
            raise
        _execute(connection, "COMMIT")


def _execute(connection: extensions.connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _borrowed(url: str) -> Iterator[extensions.connection]:
    """Lend a connection; one with which anything went wrong is not lent again.

    Where a server went away, none of the others is.
    """
    try:
        lent = engine(url).raw_connection()
        try:
            yield lent.driver_connection
        except psycopg2.Error as error:
            lent.invalidate(error)
            if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
                engine(url).dispose()
            raise
        finally:
            lent.close()
    except (psycopg2.Error, DBAPIError, DisconnectionError, NoConnectionError) as error:
        said = str(getattr(error, "orig", error))
        raise StateUnavailableError(place_of(url), said) from error
