"""The functions of a notebook: the catalogue, and rows as of now or of any past moment.

Dagster need not be installed, and no process need run; the tables are read from the warehouse.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import AsOf, knowledge_time
from energy_platform.history.question import Question, Run
from energy_platform.history.revisions import RUN
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.market.wall_clock import Window, window
from energy_platform.marts.catalogue import Mart, marts
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.stores import warehouse
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.catalogue import catalogue
from energy_platform.settings import settings

_A_DAY: Final = timedelta(days=1)


def catalog(search: str = "") -> pl.DataFrame:
    """Return one row per source and mart: name, kind, provider, group, key, columns, terms.

    Args:
        search: Only entries whose name, provider, description, columns or terms contain every word,
            the best first. A word may be the beginning of one; case and accents don't matter; a
            country may be named by its code.

    >>> catalog("nord pool trade")["name"][0]
    'nord_pool_intraday_trade'
    """
    everything = pl.DataFrame([asdict(entry) for entry in catalogue()])
    found = pl.Series("name", [entry.name for entry in catalogue(search)], dtype=pl.String)
    return found.to_frame().join(everything, on="name", maintain_order="left")


def scan(
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: AsOf | None = None,
    run: Run | None = None,
) -> pl.LazyFrame:
    """Return the rows of a market source or a mart, lazily: one per key, in its latest revision.

    Args:
        name: A name, as `catalog` lists it.
        start: Only rows whose event time (delivery start, observation, valid time) is at or after
            this instant.
        end: Only rows whose event time is before this instant.
        as_of: Only what was known by then; later rows and revisions are ignored, so that a
            back-test can't look ahead. An instant; a lead time before each row's event time,
            `timedelta(hours=1)`; or a moment some days before each row's local day, "D-1 12:00
            Europe/Berlin". A row received at that very moment counts as known. Now, unless given.
        run: Of a forecast only the run of this reference time; or "latest", for each valid time the
            latest run known by `as_of`. Every run, unless given.

    Raises:
        UnknownSourceError: There is no source or mart of this name.
        UsageError: An instant lacks its time zone, `as_of` has another form, or the source has no
            runs; or `as_of` is given for a mart, which is built from what is known now.

    The frame has the source's columns (units in their names), and `received_at` and
    `landing_offset`, which say when a row was known and where it came from. Instants are UTC. For
    every key and moment there is at most one row, and it had been received by that moment: the same
    question has the same answer at any later time.

    >>> from datetime import UTC, datetime, timedelta
    >>> march = datetime(2026, 3, 1, tzinfo=UTC)
    >>> at_eleven = scan("ote_day_ahead_price", as_of=march + timedelta(hours=11))
    >>> an_hour_ahead = scan("ote_intraday_price", start=march, as_of=timedelta(hours=1))
    >>> at_the_gate = scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
    >>> forecast = scan("noaa_gfs_wind_forecast", as_of=timedelta(hours=6), run="latest")
    >>> at_the_gate.collect_schema()["price_eur_per_mwh"]
    Float64
    """
    asked = window(start=start, end=end)
    if name in marts():
        return _scan_mart(marts()[name], asked, of_the_past=as_of is not None or run is not None)
    source = market_source(name)
    if run is not None:
        _require_run(source, run)
    question = Question(
        table=market_table(source),
        revision=source.revision,
        start=asked.start,
        end=asked.end,
        known=None if as_of is None else knowledge_time(as_of),
        run=run,
        facts_stay=not source.facts_move,
    )
    return warehouse().answer(question)


def load(
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    as_of: AsOf | None = None,
    run: Run | None = None,
) -> pl.DataFrame:
    """Return the rows of `scan`, in order of event time and key."""
    rows = scan(name, start=start, end=end, as_of=as_of, run=run)
    about = marts()[name] if name in marts() else market_source(name)
    return rows.sort(about.event_time, *about.key).collect()


def runs(name: str) -> pl.DataFrame:
    """Return the runs of a forecast, one row each, in order of their reference time.

    Columns: `run_at`, `first_received_at` and `last_received_at` (since when the run was known in
    part, and as a whole), `first_valid_at`, `last_valid_at`, `rows` (every revision counted). All
    but the last are UTC instants.

    Raises:
        UnknownSourceError: There is no source of this name.
        UsageError: The source has no runs.

    >>> runs("noaa_gfs_wind_forecast").columns[:3]
    ['run_at', 'first_received_at', 'last_received_at']
    """
    source = market_source(name)
    _require_run(source, "latest")
    received, valid = pl.col("received_at"), pl.col(source.event_time)
    return (
        warehouse()
        .scan(market_table(source))
        .group_by(RUN)
        .agg(
            first_received_at=received.min(),
            last_received_at=received.max(),
            first_valid_at=valid.min(),
            last_valid_at=valid.max(),
            rows=pl.len(),
        )
        .sort(RUN)
        .collect()
    )


def batch_history(name: str | None = None, *, start: datetime | None = None) -> pl.DataFrame:
    """Return what the platform's batches did, in order of when they finished.

    Each batch has a row for three days; older rows hold the batches of an hour, for ninety days.
    `batches` and `failed` count them; `start_offset`, `stop_offset`, `messages`, `rows_parsed`,
    `rows_new`, `quarantined` and `seconds` cover all batches of the row; `drift` and `error` say
    what was wrong, and are null if nothing was.

    Args:
        name: A market source's name; all sources, unless given.
        start: The earliest `finished_at`; 24 hours ago, unless given.

    Raises:
        UnknownSourceError: There is no source of this name.
        UsageError: `start` lacks its time zone.

    >>> batch_history("smard_price").columns[:4]
    ['finished_at', 'source', 'batches', 'failed']
    """
    _require_zones(start=start)
    if name is not None:
        market_source(name)
    since = datetime.now(UTC) - _A_DAY if start is None else start
    return BatchHistory(settings().home).lines(name, since=since)


def _scan_mart(mart: Mart, asked: Window, *, of_the_past: bool) -> pl.LazyFrame:
    """Return a mart's rows, as the last finished run has left the table."""
    if of_the_past:
        raise UsageError(f"{mart.name} is a mart: it has no past and no runs, its sources do")
    rows, event_time = warehouse().scan(mart.table), pl.col(mart.event_time)
    if asked.start is not None:
        rows = rows.filter(event_time >= asked.start)
    return rows if asked.end is None else rows.filter(event_time < asked.end)


def _require_run(source: MarketSource, run: Run) -> None:
    """Refuse a value that can't be a run, and any run of a source that is no forecast."""
    if RUN not in source.key:
        raise UsageError(f"{source.name} is no forecast, so it has no runs")
    if isinstance(run, datetime):
        _require_zones(run=run)
    elif run != "latest":
        raise UsageError(f'run is a reference time or "latest", not {run!r}')


def _require_zones(**instants: datetime | None) -> None:
    """Refuse an instant without a time zone: each autumn a local time is ambiguous."""
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise UsageError(f"{name} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
