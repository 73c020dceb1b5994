"""What a table of revisions says: now, at an instant, and what a new batch adds to it.

Pure functions over the rows of any market source. Other packages store the rows and decide when to
call these functions.

The order of a key's rows is: the provider's revision number if there is one, then the time of
receipt, then the landing offset, then the place within the message. `received_at` never decreases
along a log, so the landing offset implies it. The place is the order in which the rows are given;
every store keeps the rows of one message in their order.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

import polars as pl

from energy_platform.history.knowledge_time import EachVintage, KnowledgeTime
from energy_platform.history.provider_clock import KNOWLEDGE, KNOWN_AT, RECEIVED_AT, with_knowledge
from energy_platform.history.question import (
    MOVED_BY,
    REVISION_INDEX,
    SUPERSEDED_AT,
    VINTAGE,
    Question,
    RunSpan,
)
from energy_platform.market.instants import INSTANT, OUR_TIME
from energy_platform.market.whole_list import WITHDRAWN

if TYPE_CHECKING:
    from energy_platform.market.source import MarketSource

RUN: Final = "run_at"
"""The column that tells the runs of a forecast apart."""

# Columns of our own beside a source's, whose names have no leading underscore.
_ROW: Final = "_row"
_BEFORE: Final = "_before"
_SINCE: Final = "_since"
_UNTIL: Final = "_until"


class Revised(Protocol):
    """What these functions need to know of rows; sources and questions both provide it."""

    @property
    def key(self) -> Sequence[str]:
        """Columns that tell one fact from another."""

    @property
    def revision(self) -> str | None:
        """The column in which the provider numbers revisions, if there is one."""

    @property
    def event_time(self) -> str:
        """The column that says when the fact holds."""


def answer(rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Return the rows that a question asks for: one per key, unless it wants every revision.

    Args:
        rows: Every revision of the question's table.
        question: Which rows are wanted.
    """
    if isinstance(question.run, datetime):
        rows = rows.filter(pl.col(RUN) == question.run)
    if question.says_when_known:
        rows = _within_reach(rows, question).pipe(
            with_knowledge,
            question.published,
            key=question.key,
            event_time=question.event_time,
        )
    if not question.vintages:
        return _at_one_moment(rows, question)
    # The table is read once: each row stands once for each moment, as a fact of its own.
    numbers = [pl.lit(number, dtype=pl.Int64) for number in range(len(question.vintages))]
    each = _within_reach(rows, question).with_columns(pl.concat_list(numbers).alias(VINTAGE))
    table = replace(
        question.table,
        key=(*question.key, VINTAGE),
        dtypes={**question.table.dtypes, VINTAGE: pl.Int64()},
    )
    moments = EachVintage(question.vintages, VINTAGE)
    return _at_one_moment(
        each.explode(VINTAGE), replace(question, table=table, vintages=(), known=moments)
    )


def _at_one_moment(rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    if question.known is not None:
        rows = known_by(rows, question, question.known)
    if isinstance(question.run, tuple):
        rows = _of_wanted_run(rows, question, question.run)
    window = _window(question)
    if question.every_revision:
        return _every_revision(rows, question).filter(window)
    if question.facts_move and question.is_bounded:
        known = _latest_in(window, rows, question)
    else:
        known = latest_revision(rows.filter(window), question)
    known = listed(known) if question.table.has_withdrawals else known
    return latest_run(known, question) if question.run == "latest_each" else known


def latest_revision(rows: pl.LazyFrame, source: Revised) -> pl.LazyFrame:
    """Return the last row of each key."""
    return _last_of_each(rows, source, source.key)


def latest_of_each_revision(rows: pl.LazyFrame, source: Revised) -> pl.LazyFrame:
    """Return the last row of each key and revision number, as `new_revisions` needs it.

    If the provider doesn't number revisions, this is the last row of each key.
    """
    return _last_of_each(rows, source, _statement(source))


def known_by(rows: pl.LazyFrame, source: Revised, moment: KnowledgeTime) -> pl.LazyFrame:
    """Return the rows that were known by a moment, of every revision.

    The moment may depend on each row's event time. A row known exactly from it on counts.
    """
    return rows.filter(pl.col(clock_of(source)) <= moment.known_by(pl.col(source.event_time)))


def clock_of(source: Revised) -> str:
    """Return the column that says from when on a row counts."""
    is_ours = not isinstance(source, Question) or source.published is None
    return RECEIVED_AT if is_ours else KNOWN_AT


def listed(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows that are not withdrawn, without the column that marks them.

    Args:
        rows: One row per key of a table with withdrawals, as `latest_revision` returns them.
    """
    return rows.filter(pl.col(WITHDRAWN).not_().fill_null(value=True)).drop(WITHDRAWN)


def latest_run(rows: pl.LazyFrame, source: Revised) -> pl.LazyFrame:
    """Return the row of the latest run for each series and valid time.

    Args:
        rows: One row per key of a forecast, as `latest_revision` returns them.
        source: The source or question that the rows belong to.
    """
    but_run = [name for name in source.key if name != RUN]
    return rows.sort(RUN).unique(but_run, keep="last")


def new_revisions(batch: pl.DataFrame, known: pl.DataFrame, source: "MarketSource") -> pl.DataFrame:
    """Return the rows of `batch` that say something new.

    A row is new if its key is new, if one of the source's value columns differs from the key's
    previous row, if it withdraws a listed row, or if it lists a withdrawn one. A, B, A is three
    rows, and A, A is one. Null equals null, and NaN equals NaN.

    If the provider numbers revisions, each number is a statement of its own and is compared with
    the previous row of the same key and number. So a number is kept once, however often and in
    whatever order it is delivered. A lower number that arrives late is kept too, and is never the
    latest. A higher number that repeats the values is kept as well: without it, a number in between
    that arrives late would pass for the latest.

    Args:
        batch: Rows in landing order.
        known: The stored rows of these keys, as `latest_of_each_revision` returns them.
        source: The source or question that the rows belong to.
    """
    statement = _statement(source)
    if known.is_empty() and not batch.select(pl.struct(statement).is_duplicated().any()).item():
        return batch
    withdrawals = [WITHDRAWN] if WITHDRAWN in batch.columns else []
    values = [*source.value_columns, *withdrawals]
    said = pl.concat([known.select(batch.columns), batch]).lazy().with_row_index(_ROW)
    # The rows of a statement are found once; then each value is compared with the one before.
    before = pl.col(_BEFORE)
    differs = (pl.col(name).ne_missing(pl.col(name).gather(before.fill_null(0))) for name in values)
    is_new = (
        said.with_columns(pl.col(name).fill_null(value=False) for name in withdrawals)
        .select(*values, pl.col(_ROW).shift().over(statement).alias(_BEFORE))
        .select(is_new=before.is_null() | pl.any_horizontal(*differs))
        .slice(known.height)
        .collect()
        .to_series()
    )
    return batch.filter(is_new)


def known_since(rows: pl.DataFrame, source: "MarketSource") -> datetime:
    """Return the event time from which `known_beside` needs the stored rows."""
    first = cast("datetime", rows[source.event_time].min())
    return max(first - MOVED_BY, OUR_TIME[0]) if source.facts_move else first


def known_beside(rows: pl.DataFrame, stored: pl.LazyFrame, source: "MarketSource") -> pl.DataFrame:
    """Return the stored rows of every key that shares a series and time with `rows`.

    If a revision may move a fact to another time, these are also the rows of the facts themselves,
    and of every key that shares a series and time with one of them.

    Args:
        rows: Rows of a batch.
        stored: Rows of the same table, those of each message in their order.
        source: The source or question that the rows belong to.
    """
    if rows.is_empty():
        return rows
    time = pl.col(source.event_time)
    first, last = rows.select(first=time.min(), last=time.max()).row(0)
    series = [*source.tags, source.event_time]
    points = rows.lazy().select(series)
    if source.facts_move:
        stored = stored.filter(time.is_between(first - MOVED_BY, last + MOVED_BY)).cache()
        facts = rows.lazy().select(source.key).unique()
        moved = stored.join(facts, on=source.key, how="semi", nulls_equal=True).select(series)
        points = pl.concat([points, moved])
    else:
        stored = stored.filter(time.is_between(first, last))
    same = stored.join(
        points.unique(),
        on=series,
        how="semi",
        nulls_equal=True,
        maintain_order="left",  # if a message repeats a key, its last row counts
    )
    return latest_of_each_revision(same, source).collect()


def revision_order(source: Revised) -> list[str]:
    """Return the columns that put the rows of a key in order; null comes before every value.

    Rows that are equal in all of them keep the order of their message.
    """
    # Our own clock only ever goes forward along the landing log.
    clock = [] if clock_of(source) == RECEIVED_AT else [clock_of(source)]
    return [*([source.revision] if source.revision else []), *clock, "landing_offset"]


def _within_reach(rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Return the rows that can be a revision of a wanted fact."""
    if not question.is_bounded:
        return rows
    return rows.filter(pl.col(question.event_time).is_between(*question.reach))


def _every_revision(rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Return all rows of each key in order, each with the moment from which another one counts.

    A row counts from `known_at` until `superseded_at`. A row that came after a later revision never
    counted, and both are the same moment.
    """
    known_later = pl.col(KNOWN_AT).reverse().cum_min().reverse().shift(-1).over(question.key)
    return rows.sort(*revision_order(question), nulls_last=False, maintain_order=True).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(question.key).alias(REVISION_INDEX),
        pl.when(known_later.is_not_null())
        .then(pl.max_horizontal(known_later, KNOWN_AT))
        .alias(SUPERSEDED_AT),
    )


def _of_wanted_run(
    rows: pl.LazyFrame, question: Question, spans: Sequence[RunSpan]
) -> pl.LazyFrame:
    """Return the rows of the run that is wanted at each row's moment of knowledge."""
    wanted = pl.LazyFrame(
        [(span.run_at, span.since, span.until) for span in spans],
        schema={RUN: INSTANT, _SINCE: INSTANT, _UNTIL: INSTANT},
        orient="row",
    )
    joined = rows.join(wanted, on=RUN, how="inner", maintain_order="left")
    if question.known is None:
        return joined.filter(pl.col(_UNTIL).is_null()).drop(_SINCE, _UNTIL)
    moment = question.known.known_by(pl.col(question.event_time))
    is_wanted = (moment >= pl.col(_SINCE)) & (pl.col(_UNTIL).is_null() | (moment < pl.col(_UNTIL)))
    return joined.filter(is_wanted).drop(_SINCE, _UNTIL)


def _window(question: Question) -> pl.Expr:
    """Return whether a row's event time is asked for."""
    event_time, window = pl.col(question.event_time), pl.lit(value=True)
    if question.start is not None:
        window &= event_time >= question.start
    if question.end is not None:
        window &= event_time < question.end
    return window


def _latest_in(window: pl.Expr, rows: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Return the last row of each key if it is in the window; a revision may move a fact.

    Only the columns of the key and the order are read of rows beside the window, which are many
    more than those in it.
    """
    order = revision_order(question)
    place = list(dict.fromkeys([*question.key, question.event_time, *order]))
    dtypes = {**question.table.dtypes, **KNOWLEDGE}
    inside = rows.filter(window)
    reaching = rows.filter(pl.col(question.event_time).is_between(*question.reach))
    last_places = pl.defer(
        partial(_last_places, inside.select(question.key), reaching.select(place), question),
        schema={name: dtypes[name] for name in place},
    )
    found = inside.join(
        last_places.filter(window), on=place, how="semi", nulls_equal=True, maintain_order="left"
    )
    return found.unique(question.key, keep="last", maintain_order=True)


def _last_places(wanted: pl.LazyFrame, reaching: pl.LazyFrame, question: Question) -> pl.DataFrame:
    """Return where the last row of each wanted key is.

    Keys are mostly numbered as they come, so the bounds of their first column rule out most row
    groups of a file.
    """
    keys = wanted.unique().collect()
    name = question.key[0]
    if not keys[name].has_nulls() and not keys.is_empty():
        least, most = pl.lit(keys[name].min()), pl.lit(keys[name].max())
        reaching = reaching.filter(pl.col(name).is_between(least, most))
    same = reaching.join(
        keys.lazy(),
        on=question.key,
        how="semi",
        nulls_equal=True,
        maintain_order="left",  # if a message repeats a key, its last row counts
    )
    return _last_of_each(same, question, question.key).collect()


def _statement(source: Revised) -> list[str]:
    return [*source.key, *([source.revision] if source.revision else [])]


def _last_of_each(rows: pl.LazyFrame, source: Revised, columns: Sequence[str]) -> pl.LazyFrame:
    """Return the last row of each key; of a message's rows of one key, the last one.

    Comparing each row with the best of its key is half the work of sorting the whole rows.
    """
    for name in revision_order(source):
        if name not in columns:
            best = pl.col(name).max().over(columns)  # null, only where all of the key are null
            rows = rows.filter(pl.col(name).eq_missing(best))
    return rows.unique(columns, keep="last")
