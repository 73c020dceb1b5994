"""What the log of a Delta table says of its files: their sizes, row counts and times."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, cast

import polars as pl
from deltalake import DeltaTable

from energy_platform.history.knowledge_time import KnownAt
from energy_platform.history.provider_clock import RECEIVED_AT
from energy_platform.history.question import Question
from energy_platform.history.revisions import RUN
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.protocol import ReadSize, TableSummary

_CUT: Final = timedelta(milliseconds=1)
"""The log's times are cut to milliseconds."""


def files(delta: DeltaTable) -> pl.DataFrame:
    """Return one row per file of this version, with its statistics."""
    return pl.DataFrame(delta.get_add_actions(flatten=True))


def summary(delta: DeltaTable | None, table: Table, *, committed_offset: int) -> TableSummary:
    """Return a table's row count and newest times; times are cut to milliseconds."""
    if delta is None:
        return TableSummary(rows=0, last_event_at=None, last_received_at=None, committed_offset=0)
    found = files(delta)
    return TableSummary(
        rows=int(found.get_column("num_records").sum()),
        last_event_at=_last(found, table.event_time),
        last_received_at=_last(found, "received_at"),
        committed_offset=committed_offset,
    )


def size(delta: DeltaTable | None, question: Question) -> ReadSize:
    """Return how many rows and bytes the files have that can hold an answer's rows."""
    if delta is None:
        return ReadSize(rows=0, read_bytes=0)
    found = files(delta)
    first, last = question.reach if question.is_bounded else (None, None)
    bounds = [(question.event_time, first, last)]
    if isinstance(question.run, datetime):
        bounds.append((RUN, question.run, question.run))
    if isinstance(question.known, KnownAt) and question.published is None:
        bounds.append((RECEIVED_AT, None, question.known.instant))
    for column, least, most in bounds:
        if least is not None and f"max.{column}" in found.columns:
            late = pl.col(f"max.{column}") + _CUT >= least
            found = found.filter(late.fill_null(value=True))
        if most is not None and f"min.{column}" in found.columns:
            early = pl.col(f"min.{column}") <= most
            found = found.filter(early.fill_null(value=True))
    return ReadSize(
        rows=int(found.get_column("num_records").sum()),
        read_bytes=int(found.get_column("size_bytes").sum()),
    )


def state(delta: DeltaTable | None) -> str | None:
    """Return what tells a version of a table from all others: its number, and its files' names.

    A copy of a table that is written to by itself has the same numbers and other files.
    """
    if delta is None:
        return None
    named = sha256("\n".join(sorted(delta.file_uris())).encode()).hexdigest()
    return f"{delta.metadata().id} {delta.version()} {named}"


def _last(found: pl.DataFrame, column: str) -> datetime | None:
    name = f"max.{column}"
    last = found.get_column(name).max() if name in found.columns else None
    return cast("datetime | None", last)
