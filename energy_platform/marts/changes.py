"""Finds the days of each mart that are out of date.

For each source that it reads, a mart remembers the landing offset up to which it has read the
table. Rows with later offsets are new, whether they are about today or about a day that a backfill
or a late revision changes. A mart's day depends on the rows of certain days only, so rebuilding the
days of the new rows gives the same mart as rebuilding all of it. A replay changes rows at old
offsets; the whole mart is rebuilt after one.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PanicException

from energy_platform.errors import DamagedTableError, WarehouseUnavailableError
from energy_platform.market.table import Table
from energy_platform.marts.catalogue import Mart, marts, project_folder, source_tables
from energy_platform.settings import Settings, StatePlace, WarehouseKind
from energy_platform.storage.state import state_tables
from energy_platform.storage.warehouse.conflicts import tried_again
from energy_platform.storage.warehouse.protocol import Position, Warehouse

_log = logging.getLogger(__name__)

MOST_DAYS: Final = 200
"""With more days than this a mart is rebuilt as a whole."""

MOVES_AT_MOST: Final = timedelta(days=3)
"""How far a revision may move a fact whose key doesn't hold its time, such as a trade."""

_LAYOUT: Final = """
    CREATE TABLE IF NOT EXISTS seen (
        mart TEXT, warehouse TEXT, source TEXT, model TEXT, landing_offset INTEGER,
        replacements INTEGER, PRIMARY KEY (mart, warehouse, source)
    );
"""

Positions = Mapping[str, Position]
"""The positions of some sources' tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The part of a mart that is out of date.

    Attributes:
        mart: The mart.
        days: The UTC days to rebuild; None for all.
        positions: The positions of its sources' tables when this was found out.
    """

    mart: Mart
    days: tuple[date, ...] | None
    positions: Positions

    @property
    def are_none(self) -> bool:
        """Whether the whole mart is up to date."""
        return self.days == ()


class Progress:
    """What the marts of one warehouse have read.

    Args:
        settings: Where the state is, and which warehouse.
    """

    def __init__(self, settings: Settings) -> None:
        # A warehouse below the home is this machine's, and so is what its marts have read.
        is_shared = settings.warehouse is WarehouseKind.BIGQUERY
        place = settings.state if is_shared else StatePlace(settings.home)
        self._tables = state_tables(place, "marts/progress.sqlite", _LAYOUT)
        self._warehouse = warehouse_name(settings)

    def seen(self, mart: Mart) -> Positions | None:
        """Return what a mart has read; None if that is nothing, or its model has changed."""
        with self._tables.transaction("DEFERRED") as statements:
            rows = statements.execute(
                "SELECT source, landing_offset, replacements FROM seen"
                " WHERE mart = ? AND warehouse = ? AND model = ?",
                [mart.name, self._warehouse, models_digest()],
            ).fetchall()
        return {source: Position(*position) for source, *position in rows} or None

    def note(self, mart: Mart, positions: Positions) -> None:
        """Record that a mart was built from its sources' tables at these positions."""
        with self._tables.transaction() as statements:
            statements.execute(
                "DELETE FROM seen WHERE mart = ? AND warehouse = ?", [mart.name, self._warehouse]
            )
            statements.executemany(
                "INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        mart.name,
                        self._warehouse,
                        source,
                        models_digest(),
                        at.offset,
                        at.replacements,
                    )
                    for source, at in positions.items()
                ],
            )


def find_changes(
    warehouse: Warehouse, progress: Progress, of: Iterable[Mart], *, wholly: bool = False
) -> list[Changes]:
    """Return the part of each mart that is out of date.

    A mart with a source that can't be read is left out and logged; the others are not affected.

    Args:
        warehouse: The warehouse of the sources' tables.
        progress: What the marts have read.
        of: The marts.
        wholly: Whether to take each mart for out of date as a whole.
    """
    known = list(of)
    now = _positions(warehouse, known)
    found = []
    for mart in known:
        if not mart.upstream.keys() <= now.keys():
            _log.warning("%s is left as it is: a source of it can't be read", mart.name)
            continue
        positions = {source: now[source] for source in mart.upstream}
        seen = None if wholly or _is_damaged(warehouse, mart) else progress.seen(mart)
        days = _changed_days(warehouse, mart, seen, positions)
        found.append(Changes(mart=mart, days=days, positions=positions))
    return found


def are_behind(warehouse: Warehouse, progress: Progress) -> bool:
    """Return whether a source of any readable mart has rows that the mart hasn't read.

    A mart that is damaged has read nothing.
    """
    now = _positions(warehouse, marts().values())
    readable = [mart for mart in marts().values() if mart.upstream.keys() <= now.keys()]
    return any(
        (progress.seen(mart) or {}).get(source) != now[source]
        for mart in readable
        for source in mart.upstream
    ) or any(warehouse.damage(mart.table, wholly=False) for mart in readable)


def _is_damaged(warehouse: Warehouse, mart: Mart) -> bool:
    """Return whether a mart was damaged; what was damaged is set aside, and it is made anew."""
    if not warehouse.damage(mart.table, wholly=False):
        return False
    tried_again(warehouse.drop_damage)(mart.table)
    return True


def warehouse_name(settings: Settings) -> str:
    """Return a name that tells the warehouses of one home apart."""
    if settings.warehouse is WarehouseKind.BIGQUERY:
        return f"bigquery {settings.bigquery_project} {settings.bigquery_dataset}"
    return str(settings.warehouse)


@cache
def models_digest() -> str:
    """Return a digest of the models; a mart built by other models is rebuilt."""
    digest = hashlib.sha256()
    folder = project_folder()
    for file in sorted(_model_files(folder)):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _model_files(folder: Path) -> Iterable[Path]:
    for part in ("models", "macros"):
        yield from (file for file in (folder / part).rglob("*") if file.suffix in {".sql", ".yml"})


def _positions(warehouse: Warehouse, of: Iterable[Mart]) -> Positions:
    """Return the positions of the marts' sources that can be read."""
    tables, sources = source_tables(), {source for mart in of for source in mart.upstream}
    found = {}
    for source in sorted(sources):
        try:
            for one in warehouse.damage(tables[source], wholly=False):
                raise DamagedTableError(source, one.place, one.why)  # noqa: TRY301 (as any other)
            found[source] = _comparable(warehouse.position(tables[source]))
        except WarehouseUnavailableError:
            raise
        except (Exception, PanicException) as error:  # noqa: BLE001 (only this source is left out)
            _log.warning("%s can't be read: %s", source, error)
    return found


def _comparable(position: Position) -> Position:
    """Leave out the parts of a position that do not concern rows."""
    return Position(offset=position.offset, replacements=position.replacements)


def _changed_days(
    warehouse: Warehouse, mart: Mart, seen: Positions | None, positions: Positions
) -> tuple[date, ...] | None:
    """Return the days of a mart that depend on rows it hasn't read; None for all."""
    if seen is None or seen.keys() != positions.keys():
        return None
    if any(seen[source].replacements != at.replacements for source, at in positions.items()):
        return None
    days: set[date] = set()
    for source, at in positions.items():
        if seen[source].offset < at.offset:
            spoken_of = _days_of_new_rows(warehouse, source_tables()[source], seen[source].offset)
            days |= {
                day + timedelta(days=later) for day in spoken_of for later in mart.upstream[source]
            }
    return tuple(sorted(days)) if len(days) <= MOST_DAYS else None


def _days_of_new_rows(warehouse: Warehouse, table: Table, since: int) -> list[date]:
    """Return the UTC days of the facts in rows from a landing offset on."""
    rows, event = warehouse.scan(table), pl.col(table.event_time)
    new = rows.filter(pl.col("landing_offset") >= since)
    days = new.select(event.dt.date().unique()).collect().to_series().to_list()
    if table.event_time in table.key or not days:
        return days
    # A fact's earlier day changes too.
    nearby = event.dt.date().is_between(min(days) - MOVES_AT_MOST, max(days) + MOVES_AT_MOST)
    facts = new.select(table.key).unique()
    all_of_them = rows.filter(nearby).join(facts, on=table.key, how="semi", nulls_equal=True)
    return all_of_them.select(event.dt.date().unique()).collect().to_series().to_list()
