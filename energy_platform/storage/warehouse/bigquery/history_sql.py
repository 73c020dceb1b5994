"""Writes a question about a table's history as BigQuery's SQL.

The SQL gives the same rows as `history.revisions` does in polars; `history.latest_sql` writes the
rule for the latest row. `reads` runs the query.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from energy_platform.history.knowledge_time import DailyMoment, KnowledgeTime, KnownAt, LeadTime
from energy_platform.history.latest_sql import latest_first, listed
from energy_platform.history.question import Question
from energy_platform.history.revisions import RUN
from energy_platform.market.instants import OUR_TIME
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
    steps = {"known": _known(question, early, _relation(question.table, table_id, stored))}
    if question.facts_move and (window := list(_window(question))):
        steps["in_window"] = _select("known", where=window)
    if question.table.has_withdrawals:
        shown = listed(has_withdrawals=True, name=identifier)
        steps["listed"] = _select([*steps][-1], where=[shown])
    if question.run == "latest":
        but_run = [name for name in question.key if name != RUN]
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


def _daily_moment(moment: DailyMoment, event: str) -> str:
    """Return the instant at which a clock shows a time of day, some days before an event.

    The first candidate is one day after the clock showed that time on the day before. This gives
    the first of two instants if the clock is put back between them, and the required instant if the
    clock skips the time. So nothing depends on what `TIMESTAMP` makes of an ambiguous time.
    """
    zone, time = literal(moment.zone), moment.time_of_day
    if moment.later:
        event = f"TIMESTAMP_ADD({event}, INTERVAL {moment.later // _MICROSECOND} MICROSECOND)"
    day = f"DATE_SUB(DATE({event}, {zone}), INTERVAL {moment.days_before} DAY)"
    shown = f"DATETIME({day}, TIME({time.hour}, {time.minute}, 0))"
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


def _known(question: Question, filters: Sequence[Filter], relation: str) -> str:
    """Return the step that finds each key's last row."""
    conditions = list(_reach(question) if question.facts_move else _window(question))
    if isinstance(question.run, datetime):
        conditions.append(f"{identifier(RUN)} = {literal(question.run)}")
    if question.known is not None:
        conditions.append(f"`received_at` <= {known_by(question.known, question.event_time)}")
    conditions += [each.sql for each in filters]
    order = latest_first(question, identifier(PLACE), identifier)
    if question.table.is_large:
        conditions.append(bounds(question.table))
    return _select(relation, where=conditions, qualify=_last(question, question.key, order))


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
    alike = ", ".join(_groupable(question.table, name) for name in columns)
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
    whole = set(question.key) - ({RUN} if question.run == "latest" else set())
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
