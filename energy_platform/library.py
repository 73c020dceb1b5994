"""What a notebook asks: what there is, and its rows, as of now or of any past instant.

Dagster need not be installed, and nothing need be running; the tables are read where they are.
"""

from dataclasses import asdict
from datetime import datetime

import polars as pl

from energy_platform.catalogue import catalogue
from energy_platform.errors import UsageError
from energy_platform.history import as_of as known_at
from energy_platform.history import latest_revision
from energy_platform.registry import market_source
from energy_platform.stores import micro_batches
from energy_platform.tables import market_table


def catalog() -> pl.DataFrame:
    """Return one row per market source: name, provider, group, key, columns with units, terms."""
    return pl.DataFrame([asdict(entry) for entry in catalogue()])


def scan(
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> pl.LazyFrame:
    """Return a market source's rows, lazily: one per key, in its latest revision.

    Args:
        name: A source's name, as `catalog` lists it.
        start: Only rows whose event time (delivery start, observation, valid time) is not before.
        end: Only rows whose event time is before.
        as_of: What was known at this instant; later rows and revisions don't exist for it, so a
            back-test that asks with it can't look ahead. Now, unless given.

    Raises:
        UnknownSourceError: There is no source of this name.
        UsageError: An instant lacks its time zone.

    The frame has the source's columns (units in their names), and `received_at` and
    `landing_offset`, which say when a row was known and where it came from. Instants are UTC.

    >>> from datetime import UTC, datetime
    >>> prices = scan("ote_day_ahead_price", as_of=datetime(2026, 3, 1, 11, tzinfo=UTC))
    >>> prices.collect_schema()["price_eur_per_mwh"]
    Float64
    """
    source = market_source(name)
    _require_zones(start=start, end=end, as_of=as_of)
    rows = micro_batches().warehouse.scan(market_table(source))
    event_time = pl.col(source.event_time)
    if start is not None:
        rows = rows.filter(event_time >= start)
    if end is not None:
        rows = rows.filter(event_time < end)
    return latest_revision(rows, source) if as_of is None else known_at(rows, source, as_of)


def load(
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: datetime | None = None,
) -> pl.DataFrame:
    """Return what `scan` finds, in order of event time and key."""
    source = market_source(name)
    rows = scan(name, start=start, end=end, as_of=as_of)
    return rows.sort(source.event_time, *source.key).collect()


def _require_zones(**instants: datetime | None) -> None:
    """Refuse an instant that doesn't say which: a local time names two of them each autumn."""
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise UsageError(f"{name} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
