"""Compares a warehouse with the simulator's journal: rows lost, invented, or stored twice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.history.revisions import latest_revision, new_revisions
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from simulator.journal import Journal

_FETCHED_WITHIN: Final = timedelta(minutes=5)

REPLACED: Final = {"entsoe_outage": ("outage_id", "revision_number")}
"""Sources that show only the highest revision of each thing: revisions that came and went between
two polls can't be seen.
"""


@dataclass(frozen=True)
class Comparison:
    """Rows by what is wrong with them, in the columns of the source's key and values.

    Attributes:
        journalled: How many rows were emitted.
        stored: How many rows the warehouse holds.
        lost: Rows that were emitted and are not in the warehouse.
        stale: Keys whose newest emitted values are not the warehouse's latest, except revisions
            that a later, stored one has replaced.
        invented: Rows in the warehouse that were never emitted.
        doubled: Rows that were stored although they repeat the row before.
    """

    journalled: int
    stored: int
    lost: pl.DataFrame
    stale: pl.DataFrame
    invented: pl.DataFrame
    doubled: int


def compare(source: MarketSource, journal: Journal, stored: pl.DataFrame) -> Comparison:
    """Compare every stored revision with the journal."""
    emitted = journalled_rows(source, journal)
    said = [*source.key, *source.value_columns]
    in_order = stored.sort("received_at", "landing_offset", maintain_order=True)

    def missing(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
        return left.select(said).join(right, on=said, how="anti", nulls_equal=True)

    asked_for = _since_the_first_window(source, emitted, stored)
    known = _since_the_journal_begins(source, journal, stored)
    stale = missing(_latest(source, asked_for), _latest(source, stored))
    return Comparison(
        journalled=emitted.height,
        stored=stored.height,
        lost=missing(asked_for, stored),
        stale=_not_replaced(source, stale, stored),
        invented=missing(known, emitted),
        doubled=stored.height - new_revisions(in_order, in_order.clear(), source).height,
    )


def _since_the_journal_begins(
    source: MarketSource, journal: Journal, stored: pl.DataFrame
) -> pl.DataFrame:
    """Leave out rows that a journal which has dropped its beginning may no longer have.

    A row shown before the journal's oldest emission may have been fetched two rounds later.
    """
    since = journal.reaches_back_to(source.name)
    if since is None:
        return stored
    late: timedelta = getattr(source.feed, "every", timedelta())
    return stored.filter(pl.col("received_at") > since + 2 * late + _FETCHED_WITHIN)


def _not_replaced(source: MarketSource, stale: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    if source.name not in REPLACED:
        return stale
    thing, number = REPLACED[source.name]
    highest = stored.group_by(thing).agg(highest=pl.col(number).max())
    seen = stale.join(highest, on=thing, how="left")
    is_replaced = (pl.col(number) < pl.col("highest")).fill_null(value=False)
    return seen.filter(~is_replaced).drop("highest")


def overdue(
    source: MarketSource, journal: Journal, stale: pl.DataFrame, *, by: datetime
) -> pl.DataFrame:
    """Return the stale keys whose newest emission is older than the last poll before an instant.

    What the provider emitted since it was last asked can't be there yet.
    """
    every = getattr(source.feed, "every", timedelta())
    news = journalled_rows(source, journal).filter(pl.col("received_at") > by - every)
    return stale.join(news, on=source.key, how="anti", nulls_equal=True)


def _since_the_first_window(
    source: MarketSource, emitted: pl.DataFrame, stored: pl.DataFrame
) -> pl.DataFrame:
    """Leave out rows from before the first window of a feed.

    Nobody had to fetch them. A feed that has stored nothing yet had to fetch everything. A
    correction that was published in that window may be of a value from before it.
    """
    for told in (source.event_time, "published_at"):
        earliest = stored[told].min() if told in stored.columns else None
        if earliest is not None:
            emitted = emitted.filter((pl.col(told) >= earliest) | pl.col(told).is_null())
    return emitted


def journalled_rows(source: MarketSource, journal: Journal) -> pl.DataFrame:
    """Return all that a source emitted, as its table; `landing_offset` counts the emissions."""
    emissions = list(journal.emissions(source.name))
    wanted = {n: d for n, d in source.dtypes.items() if n not in PROVENANCE_COLUMNS}
    written = {n: pl.String() if d.is_temporal() else d for n, d in wanted.items()}
    instant = {n: pl.col(n).str.to_datetime("%+", time_unit="us", time_zone="UTC")
               for n, d in wanted.items() if d.is_temporal()}  # fmt: skip
    frames = [
        pl.DataFrame(emission.rows, schema=written)
        .with_columns(**instant)
        .with_columns(
            received_at=pl.lit(emission.emitted_at).cast(source.dtypes["received_at"]),
            landing_offset=pl.lit(number, dtype=pl.Int64),
        )
        .select(*source.dtypes)
        for number, emission in enumerate(emissions)
    ]
    return pl.concat([pl.DataFrame(schema=source.dtypes), *frames])


def _latest(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    return latest_revision(rows.lazy(), source).collect()
