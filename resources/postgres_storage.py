"""Dagster's Postgres storages, on the connections that a process keeps open.

Dagster's own open one for each of the hundreds of statements that a run takes. PgBouncer in
transaction mode may stand in between, so no setting is left on a connection either. `storage` takes
these classes where a Postgres is set.
"""

import os
from typing import TYPE_CHECKING

from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import ColumnElement, Engine

from energy_platform.storage import postgres
from resources.fewer_statements import (
    FewerEventStatements,
    SnapshotsInOrderOfUse,
    next_of_sequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_made: set[tuple[int, str, type]] = set()
"""The storages of each process whose tables are there."""


class _Pooled:
    """What the three storages have in common; Dagster's own class stands behind it."""

    _state_url: str

    def __init__(self, url: str, inst_data: ConfigurableClassData | None) -> None:
        self._state_url = url
        place, named = (os.getpid(), url, type(self)), postgres.with_driver(url)
        open_: Callable[..., None] = super().__init__
        if place in _made:
            open_(named, should_autocreate_tables=False, inst_data=inst_data)
            return
        # Dagster makes its tables one by one, and takes the first for all of them: who comes second
        # must wait.
        with postgres.transaction(url, "dagster"):
            open_(named, should_autocreate_tables=True, inst_data=inst_data)
        _made.add(place)

    @property
    def _engine(self) -> Engine:
        return postgres.engine(self._state_url)

    @_engine.setter
    def _engine(self, _: Engine) -> None:
        """Do without the engine that Dagster makes; it has not connected yet."""

    def optimize_for_webserver(
        self, statement_timeout: int, pool_recycle: int, max_overflow: int
    ) -> None:
        """Change nothing: a connection waits for no answer for long, and is replaced when dead."""


class PooledEventLogStorage(FewerEventStatements, _Pooled, PostgresEventLogStorage):
    """Dagster's tables of all runs' events."""


class PooledRunStorage(SnapshotsInOrderOfUse, _Pooled, PostgresRunStorage):
    """Dagster's tables of runs."""

    def _next_number(self) -> ColumnElement[int]:
        return next_of_sequence()


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """Dagster's tables of sensors, schedules and ticks."""
