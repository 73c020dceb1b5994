"""Writes a question about a table's history as BigQuery's SQL.

The SQL gives the same rows as `history.revisions` does in polars; `history.latest_sql` writes the
rule for the latest row. `reads` runs the query.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from energy_platform.history.knowledge_time import (
    EVERY_DAY,
    DailyMoment,
    EachVintage,
    KnowledgeTime,
    KnownAt,
    LeadTime,
)
from energy_platform.history.latest_sql import EVERY_ROW, earliest_first, latest_first, listed
from energy_platform.history.provider_clock import KNOWN_AT, KNOWN_BASIS, RECEIVED_AT, steps
from energy_platform.history.question import (
    REVISION_INDEX,
    SUPERSEDED_AT,
    VINTAGE,
    Question,
    RunSpan,
)
from energy_platform.history.revisions import RUN, clock_of
from energy_platform.market.calendar import calendar
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.publication import AfterEvent, AfterRun, Basis, Stated
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery.filters import Filter, identifier, literal
from energy_platform.storage.warehouse.bigquery.schema import PLACE, fields

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which part of an answer is needed, so that BigQuery reads no more.

    Attributes:
        columns: The wanted columns.
        filters: Conditions on the answer's rows.
        limit: How many rows are wanted at most, before any filter.
    """

    columns: Sequence[str]
    filters: Sequence[Filter] = ()
    limit: int | None = None


class Write(Protocol):
    """Writes the query for a question."""

    def __call__(
        self, question: Question, asked: Asked, *, table_id: str, stored: Collection[str]
    ) -> str:
        """Return the query; `question_sql` and `runs_sql` have the arguments."""


def question_sql(
    question: Question, asked: Asked, *, table_id: str, stored: Collection[str]
) -> str:
    """Return the query that answers a question.

    Partitions are days of event time: the question's window prunes them, and so do filters on
    columns of the key. If a revision may move a fact to another time, the partitions from which it
    may come are read too, and the window is applied once the last revision is found.

    Args:
        question: Which rows are wanted.
        asked: Which part of the answer is needed.
        table_id: The table, as `project.dataset.table`.
        stored: The columns that the table has; others are null.
    """
    early, late = _parted(question, asked.filters)
    steps = _known(question, early, _relation(question.table, table_id, stored))
    if (question.facts_move or question.every_revision) and (window := list(_window(question))):
        steps["in_window"] = _select([*steps][-1], where=window)
    if question.table.has_withdrawals and not question.every_revision:
        shown = listed(has_withdrawals=True, name=identifier)
        steps["listed"] = _select([*steps][-1], where=[shown])
    if question.run == "latest_each":
        but_run = [name for name in question.key if name != RUN]
        but_run += [VINTAGE] if question.vintages else []
        last_run = _last(question, but_run, f"{identifier(RUN)} DESC")
        steps["of_latest_run"] = _select([*steps][-1], qualify=last_run)
    answer = _select(
        [*steps][-1],
        columns=", ".join(map(identifier, asked.columns)),
        where=[each.sql for each in late],
    )
    named = ",\n".join(f"{name} AS (\n{step}\n)" for name, step in steps.items())
    limit = "" if asked.limit is None else f"\nLIMIT {asked.limit}"
    return f"WITH {named}\n{answer}{limit}"


def known_by(known: KnowledgeTime, event_time: str) -> str:
    """Return the moment by which a row had to be known, as an expression over its event time."""
    event = identifier(event_time)
    match known:
        case KnownAt(instant):
            return literal(instant)
        case LeadTime(ahead):
            return f"TIMESTAMP_SUB({event}, INTERVAL {ahead // _MICROSECOND} MICROSECOND)"
        case DailyMoment():
            return _daily_moment(known, event)
        case EachVintage(moments, column):
            cases = " ".join(
                f"WHEN {number} THEN {known_by(moment, event_time)}"
                for number, moment in enumerate(moments)
            )
            return f"CASE {identifier(column)} {cases} END"


def knowledge_sql(question: Question, *, first: str) -> tuple[str, str]:
    """Return from when on a row was known and on what that rests, as `with_knowledge` says them.

    Args:
        question: Whose clock counts.
        first: The condition that a row is the first revision of its key.
    """
    received = identifier(RECEIVED_AT)
    if question.published is None:
        return received, literal(Basis.RECEIVED.value)
    moments, cases = [], []
    for step in steps(question.published):
        speaks = [first] if step.is_of_first_revision else []
        if step.only is not None:
            column, value = step.only
            speaks.append(f"{identifier(column)} = {literal(value)}")
        if question.table.has_withdrawals:
            speaks.append(listed(has_withdrawals=True, name=identifier))
        moment = _moment_of(step.rule, question.event_time)
        if speaks:
            moment = f"IF({' AND '.join(speaks)}, {moment}, NULL)"
        moments.append(moment)
        cases.append(
            f"WHEN {moment} IS NOT NULL"
            f" THEN IF({moment} < {received}, {literal(step.basis.value)}, {literal('received')})"
        )
    known_at = f"LEAST({received}, COALESCE({', '.join([*moments, received])}))"
    return known_at, f"CASE {' '.join(cases)} ELSE {literal(Basis.RECEIVED.value)} END"


def _moment_of(rule: Stated | AfterRun | AfterEvent | DailyMoment, event_time: str) -> str:
    match rule:
        case Stated(column):
            return identifier(column)
        case AfterRun(delay):
            return f"TIMESTAMP_ADD({identifier(RUN)}, INTERVAL {delay // _MICROSECOND} MICROSECOND)"
        case AfterEvent(delay):
            return known_by(LeadTime(-delay), event_time)
        case DailyMoment():
            return known_by(rule, event_time)


def runs_sql(question: Question, asked: Asked, *, table_id: str, stored: Collection[str]) -> str:
    """Return the query for the summary of each run; `history.runs.summaries` has the columns.

    Args:
        question: Which rows are counted, in every revision that was known by then.
        asked: Which part of the summaries is needed.
        table_id: The table, as `project.dataset.table`.
        stored: The columns that the table has; others are null.
    """
    conditions = _conditions(question)
    if question.table.is_large:
        conditions.append(bounds(question.table))
    parts = _timed(question, _relation(question.table, table_id, stored), conditions)
    event, known_at, run = map(identifier, (question.event_time, KNOWN_AT, RUN))
    by_then = []
    if question.known is not None:
        by_then = [f"{known_at} <= {known_by(question.known, question.event_time)}"]
    alike = ", ".join(_groupable(question.table, name) for name in question.key if name != RUN)
    parts["of_key"] = (
        f"SELECT {run}, MIN({known_at}) AS first_known_at, MAX({known_at}) AS last_known_at,"
        f" MIN({event}) AS first_valid_at, MAX({event}) AS last_valid_at, COUNT(*) AS row_count\n"
        f"FROM timed\nWHERE {' AND '.join(by_then or [EVERY_ROW])}\n"
        f"GROUP BY {run}, {alike}"
    )
    parts["of_run"] = (
        f"SELECT {run}, MIN(first_known_at) AS first_known_at,"
        " MAX(first_known_at) AS last_new_at, MAX(last_known_at) AS last_known_at,"
        " MIN(first_valid_at) AS first_valid_at, MAX(last_valid_at) AS last_valid_at,"
        f" COUNT(*) AS value_count, SUM(row_count) AS row_count\nFROM of_key\nGROUP BY {run}"
    )
    named = ",\n".join(f"{name} AS (\n{step}\n)" for name, step in parts.items())
    columns = ", ".join(map(identifier, asked.columns))
    return f"WITH {named}\n{_select('of_run', columns=columns)}"


def _daily_moment(moment: DailyMoment, event: str) -> str:
    """Return the instant at which a clock shows a time of day, some days before an event.

    The first candidate is one day after the clock showed that time on the day before. This gives
    the first of two instants if the clock is put back between them, and the required instant if the
    clock skips the time. So nothing depends on what `TIMESTAMP` makes of an ambiguous time.
    """
    days, time = calendar(moment.zone), moment.time_of_day
    zone, begins = literal(days.zone), days.begins // timedelta(hours=1)
    if moment.later:
        event = f"TIMESTAMP_ADD({event}, INTERVAL {moment.later // _MICROSECOND} MICROSECOND)"
    local_day = f"DATE({event}, {zone})"
    if begins:
        local_day = f"DATE(DATETIME_SUB(DATETIME({event}, {zone}), INTERVAL {begins} HOUR))"
    day = f"DATE_SUB({local_day}, INTERVAL {moment.days_before} DAY)"
    if moment.weekdays != EVERY_DAY:
        waited = " ".join(
            f"WHEN {number % 7 + 1} THEN {wait.days}"  # BigQuery's week begins on Sunday, with 1
            for number, wait in moment.days_waited.items()
        )
        day = f"DATE_ADD({day}, INTERVAL CASE EXTRACT(DAYOFWEEK FROM {day}) {waited} END DAY)"
    shown = f"DATETIME({day}, TIME({time.hour}, {time.minute}, {time.second}))"
    eve = f"DATETIME_SUB({shown}, INTERVAL 1 DAY)"
    a_day_later = f"TIMESTAMP_ADD(TIMESTAMP({eve}, {zone}), INTERVAL 24 HOUR)"
    there = f"TIMESTAMP({shown}, {zone})"
    return (
        f"CASE WHEN DATETIME({a_day_later}, {zone}) = {shown} THEN {a_day_later}"
        f" WHEN DATETIME({there}, {zone}) = {shown} THEN {there}"
        f" ELSE {a_day_later} END"
    )


def bounds(table: Table) -> str:
    """Return a condition that every row fulfils and that satisfies a required partition filter.

    The checks let no instant outside these bounds pass.
    """
    event, (first, last) = identifier(table.event_time), OUR_TIME
    return f"({event} >= {literal(first)} AND {event} <= {literal(last)})"


def _known(question: Question, filters: Sequence[Filter], relation: str) -> dict[str, str]:
    """Return the steps that find each key's last row, or all of its rows."""
    conditions = _conditions(question)
    told = [each.sql for each in filters]
    large = [bounds(question.table)] if question.table.is_large else []
    steps: dict[str, str] = {}
    if question.says_when_known:
        steps = _timed(question, relation, [*conditions, *told, *large])
        relation, conditions, told, large = [*steps][-1], [], [], []
    if question.vintages:
        numbers = (
            f"UNNEST(GENERATE_ARRAY(0, {len(question.vintages) - 1})) AS {identifier(VINTAGE)}"
        )
        steps["asked"] = _select(
            f"{relation} CROSS JOIN {numbers}", where=[*conditions, *told, *large]
        )
        relation, conditions, told, large = "asked", [], [], []
    if (moment := _moment(question)) is not None:
        conditions.append(f"{identifier(clock_of(question))} <= {moment}")
    if isinstance(question.run, tuple):
        conditions.append(_of_wanted_run(question.run, moment))
    conditions += [*told, *large]
    if question.every_revision:
        steps["known"] = _select(relation, where=conditions)
        return steps | _every_revision(question)
    order = latest_first(question, identifier(PLACE), identifier)
    alike = [*question.key, *([VINTAGE] if question.vintages else [])]
    steps["known"] = _select(relation, where=conditions, qualify=_last(question, alike, order))
    return steps


def _conditions(question: Question) -> list[str]:
    """Return the conditions that take all rows of a key or none."""
    conditions = list(_reach(question) if question.facts_move else _window(question))
    if isinstance(question.run, datetime):
        conditions.append(f"{identifier(RUN)} = {literal(question.run)}")
    return conditions


def _moment(question: Question) -> str | None:
    """Return the moment by which a row had to be known; None for now."""
    if question.vintages:
        return known_by(EachVintage(question.vintages, VINTAGE), question.event_time)
    return None if question.known is None else known_by(question.known, question.event_time)


def _of_wanted_run(spans: Sequence[RunSpan], moment: str | None) -> str:
    """Return whether a row is of the run that is wanted at its moment of knowledge."""
    if moment is None:
        last = [span for span in spans if span.until is None]
        wanted = [f"{identifier(RUN)} = {literal(span.run_at)}" for span in last]
    else:
        wanted = [
            f"({identifier(RUN)} = {literal(span.run_at)} AND {moment} >= {literal(span.since)}"
            + (f" AND {moment} < {literal(span.until)})" if span.until is not None else ")")
            for span in spans
        ]
    return f"({' OR '.join(wanted)})" if wanted else "FALSE"


def _timed(question: Question, relation: str, conditions: Sequence[str]) -> dict[str, str]:
    """Return the steps that say from when on each row was known, and on what that rests."""
    alike = ", ".join(_groupable(question.table, name) for name in question.key)
    first = (
        f"ROW_NUMBER() OVER (PARTITION BY {alike} ORDER BY `landing_offset`, {identifier(PLACE)})"
    )
    known_at, basis = knowledge_sql(question, first=f"{first} = 1")
    columns = f"*, {known_at} AS {identifier(KNOWN_AT)}, {basis} AS {identifier(KNOWN_BASIS)}"
    return {"timed": _select(relation, columns=columns, where=conditions)}


def _every_revision(question: Question) -> dict[str, str]:
    alike = ", ".join(_groupable(question.table, name) for name in question.key)
    order = earliest_first(question, identifier(PLACE), identifier)
    over = f"OVER (PARTITION BY {alike} ORDER BY {order}"
    known_at = identifier(KNOWN_AT)
    later = f"MIN({known_at}) {over} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
    return {
        "numbered": _select(
            "known",
            columns=f"*, ROW_NUMBER() {over}) AS {identifier(REVISION_INDEX)}, {later} AS later",
        ),
        "revisions": _select(
            "numbered",
            columns="*, IF(later IS NULL, NULL, GREATEST(later, "
            f"{known_at})) AS {identifier(SUPERSEDED_AT)}",
        ),
    }


def _select(
    relation: str, *, columns: str = "*", where: Sequence[str] = (), qualify: str | None = None
) -> str:
    lines = [f"SELECT {columns}", f"FROM {relation}"]
    if where or qualify:
        # BigQuery requires a WHERE beside QUALIFY.
        lines.append("WHERE " + "\n  AND ".join(where or ["TRUE"]))
    if qualify:
        lines.append(f"QUALIFY {qualify}")
    return "\n".join(lines)


def _last(question: Question, columns: Sequence[str], order: str) -> str:
    alike = ", ".join(
        identifier(name) if name == VINTAGE else _groupable(question.table, name)
        for name in columns
    )
    return f"ROW_NUMBER() OVER (PARTITION BY {alike} ORDER BY {order}) = 1"


def _groupable(table: Table, name: str) -> str:
    """Return an expression that tells a column's values apart; BigQuery can't partition by FLOAT64.

    Seventeen digits tell any two numbers apart; both zeros are one number.
    """
    column = identifier(name)
    if not table.dtypes[name].is_float():
        return column
    return f"FORMAT('%.17g', IF({column} = 0.0, 0.0, {column}))"


def _window(question: Question) -> Iterator[str]:
    event = identifier(question.event_time)
    if question.start is not None:
        yield f"{event} >= {literal(question.start)}"
    if question.end is not None:
        yield f"{event} < {literal(question.end)}"


def _reach(question: Question) -> Iterator[str]:
    """Yield the conditions on the event times of rows that can revise a wanted fact."""
    event, (first, last) = identifier(question.event_time), question.reach
    if question.start is not None:
        yield f"{event} >= {literal(first)}"
    if question.end is not None:
        yield f"{event} <= {literal(last)}"


def _parted(question: Question, filters: Sequence[Filter]) -> tuple[list[Filter], list[Filter]]:
    """Split filters into those that take all rows of a key or none, and the others.

    Only the first may be applied before the latest row is chosen.
    """
    of_several = question.run is not None and not isinstance(question.run, datetime)
    whole = set(question.key) - ({RUN} if of_several else set())
    early = [each for each in filters if each.columns <= whole]
    return early, [each for each in filters if not each.columns <= whole]


def _relation(table: Table, table_id: str, stored: Collection[str]) -> str:
    """Return the table with all columns of the question."""
    lacking = [name for name in table.dtypes if name not in stored]
    if not lacking:
        return f"`{table_id}`"
    types = {field.name: field.field_type for field in fields(table)}
    nulls = ", ".join(f"CAST(NULL AS {types[name]}) AS {identifier(name)}" for name in lacking)
    return f"(SELECT *, {nulls} FROM `{table_id}`)"  # noqa: S608 (the source defines these names)
