"""Reads all that is stored of the sources, and says which files are damaged.

`storage` knows how a file is checked. Nothing is changed here, except that a torn newest commit of
a table is set aside as at any other look at it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polars.exceptions import PanicException

from energy_platform.market.source import MarketSource
from energy_platform.operations.databases import databases
from energy_platform.pipeline.layouts import watch as layouts
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import is_simulated_alone
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.settings import Settings
from energy_platform.storage.sqlite_file import damage_of

_BY_ITSELF: Final = "nothing: it is set aside and begun anew when it is next used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A damaged file.

    Attributes:
        source: The source whose file it is; empty if it is of no single source.
        place: The file.
        why: How it is damaged.
        next_step: What to do.
    """

    source: str
    place: str
    why: str
    next_step: str


def of_sources(
    settings: Settings, batches: MicroBatches, sources: Iterable[MarketSource]
) -> Iterator[Finding]:
    """Yield what is damaged of these sources: their logs, tables, quarantine and notes.

    A source that can't even be looked at is a finding, and the others are looked at.
    """
    forgets = is_simulated_alone(settings)
    for source in sources:
        try:
            yield from _of_source(batches, source, forgets=forgets)
        except (Exception, PanicException) as error:  # noqa: BLE001 (the other sources are looked at)
            yield Finding(
                source=source.name,
                place=source.name,
                why=f"{type(error).__name__}: {error}",
                next_step="energy-platform status",
            )


def of_side_files(home: Path) -> Iterator[Finding]:
    """Yield the damaged databases of a home, which hold no market data that is not elsewhere."""
    for file in databases(home):
        if why := _why_damaged(file):
            yield Finding(source="", place=str(file), why=why, next_step=_BY_ITSELF)


def _why_damaged(database: Path) -> str:
    try:
        return damage_of(database)
    except sqlite3.Error as error:
        return f"it can't be opened: {error}"


def _of_source(batches: MicroBatches, source: MarketSource, *, forgets: bool) -> Iterator[Finding]:
    restore = f"put back a copy of the file, then: energy-platform redrive {source.name}"
    for place, why in batches.landing.log(source.name).damages(forgets=forgets):
        yield Finding(source=source.name, place=place, why=why, next_step=restore)
    for table in (market_table(source), quarantine_table(source)):
        for one in batches.warehouse.damage(table):
            again = f"energy-platform replay {source.name}"
            place = str(one.place)
            yield Finding(source=source.name, place=place, why=one.why, next_step=again)
    if why := layouts.damage(batches.landing.notes, source):
        yield Finding(
            source=source.name,
            place=f"_notes/layout/{source.name}",
            why=why,
            next_step="nothing: it is learned again from what comes",
        )
