"""Writes a question about a table's history as BigQuery's SQL.

The SQL chooses the rows that can be in the answer, one per key at most, and `history.revisions`
makes the answer of them. So the service sends few rows, and the rules are written once. A question
by the provider's clock, for every revision or for several moments needs all rows of its window, and
has no SQL. `reads` runs the queries.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from energy_platform.history.knowledge_time import EVERY_DAY, DailyMoment, KnownAt, LeadTime
from energy_platform.history.latest_sql import latest_first, listed
from energy_platform.history.provider_clock import RECEIVED_AT
from energy_platform.history.question import Question
from energy_platform.history.revisions import RUN
from energy_platform.market.calendar import calendar
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.table import Table
from energy_platform.storage.warehouse.bigquery.filters import Filter, identifier, literal
from energy_platform.storage.warehouse.bigquery.schema import PLACE, fields

_MICROSECOND: Final = timedelta(microseconds=1)


def has_sql(question: Question) -> bool:
    """Return whether a question is asked at one moment of our own clock."""
    return not (question.says_when_known or question.vintages)


def on_key(question: Question, filters: Sequence[Filter]) -> list[Filter]:
    """Return the filters that take all rows of a key or none.

    Only these may be applied before the latest row is chosen.
    """
    whole = set(question.key) - ({RUN} if question.run == "latest_each" else set())
    return [each for each in filters if each.columns <= whole]


def candidates_sql(
    question: Question,
    columns: Collection[str],
    filters: Sequence[Filter] = (),
    *,
    table_id: str,
    stored: Collection[str],
) -> str:
    """Return the query for each key's last row that was known by the question's moment.

    Partitions are days of event time: the question's window prunes them, and so do filters. If a
    revision may move a fact to another time, the partitions from which it may come are read too.

    Args:
        question: Which rows are wanted; it `has_sql`.
        columns: The wanted columns of the table.
        filters: Conditions that are `on_key`.
        table_id: The table, as `project.dataset.table`.
        stored: The columns that the table has; others are null.
    """
    table, order = question.table, latest_first(question, identifier(PLACE), identifier)
    conditions = [*_known(question), *_of_run(question), *(each.sql for each in filters)]
    rows = _relation(table, table_id, stored)
    last = _first_of_each(rows, table, question.key, order, conditions)
    if question.run == "latest_each" and not question.facts_move:
        shown = [listed(has_withdrawals=table.has_withdrawals, name=identifier)]
        but_run = [name for name in question.key if name != RUN]
        newest = f"{identifier(RUN)} DESC"
        last = _first_of_each(f"(\n{last}\n)", table, but_run, newest, shown)
    return f"SELECT {', '.join(map(identifier, columns))}\nFROM (\n{last}\n)"


def runs_sql(question: Question, *, table_id: str, stored: Collection[str]) -> str:
    """Return the query for the summary of each run; `history.runs.summaries` has the columns."""
    event, received, run = map(identifier, (question.event_time, RECEIVED_AT, RUN))
    alike = ", ".join(_groupable(question.table, name) for name in question.key if name != RUN)
    return f"""
        SELECT {run}, MIN(first_known_at) AS first_known_at, MAX(first_known_at) AS last_new_at,
          MAX(last_known_at) AS last_known_at, MIN(first_valid_at) AS first_valid_at,
          MAX(last_valid_at) AS last_valid_at, COUNT(*) AS value_count, SUM(row_count) AS row_count
        FROM (
          SELECT {run}, MIN({received}) AS first_known_at, MAX({received}) AS last_known_at,
            MIN({event}) AS first_valid_at, MAX({event}) AS last_valid_at, COUNT(*) AS row_count
          FROM {_relation(question.table, table_id, stored)}
          WHERE {" AND ".join(_known(question))}
          GROUP BY {run}, {alike}
        )
        GROUP BY {run}
    """  # noqa: S608 (the source defines these names)


def between(table: Table, times: tuple[datetime, datetime] = OUR_TIME) -> str:
    """Return the condition that an event time is one of these; by default every row fulfils it.

    It satisfies a required partition filter.
    """
    event, (first, last) = identifier(table.event_time), map(literal, times)
    return f"({event} >= {first} AND {event} <= {last})"


def _known(question: Question) -> Iterator[str]:
    """Yield the conditions on rows that can revise a wanted fact and were known by then."""
    yield between(question.table, question.reach)
    if question.known is not None:
        yield f"{identifier(RECEIVED_AT)} <= {_moment(question)}"


def _moment(question: Question) -> str:
    """Return the moment by which a row had to be known, as an expression over its event time."""
    event = identifier(question.event_time)
    match question.known:
        case KnownAt(instant):
            return literal(instant)
        case LeadTime(ahead):
            return f"TIMESTAMP_SUB({event}, INTERVAL {ahead // _MICROSECOND} MICROSECOND)"
        case DailyMoment():
            return _daily_moment(question.known, event)
        case _:
            raise AssertionError(question)


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


def _of_run(question: Question) -> Iterator[str]:
    """Yield the condition that a row is of the run that is wanted at its moment of knowledge."""
    run = identifier(RUN)
    if isinstance(question.run, datetime):
        yield f"{run} = {literal(question.run)}"
    elif isinstance(question.run, tuple) and question.known is None:
        last = [f"{run} = {literal(span.run_at)}" for span in question.run if span.until is None]
        yield f"({' OR '.join(last or ['FALSE'])})"
    elif isinstance(question.run, tuple):
        wanted, moment = ["FALSE"], _moment(question)
        for span in question.run:
            until = "" if span.until is None else f" AND {moment} < {literal(span.until)}"
            since = f"{run} = {literal(span.run_at)} AND {moment} >= {literal(span.since)}"
            wanted.append(f"({since}{until})")
        yield f"({' OR '.join(wanted)})"


def _first_of_each(
    rows: str, table: Table, alike: Sequence[str], order: str, conditions: Sequence[str]
) -> str:
    """Return the first row in an order of those that are alike in some columns."""
    groups = ", ".join(_groupable(table, name) for name in alike)
    return (
        f"SELECT *\nFROM {rows}\nWHERE " + "\n  AND ".join(conditions) + "\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {groups} ORDER BY {order}) = 1"
    )


def _groupable(table: Table, name: str) -> str:
    """Return an expression that tells a column's values apart; BigQuery can't partition by FLOAT64.

    Seventeen digits tell any two numbers apart; both zeros are one number.
    """
    column = identifier(name)
    if not table.dtypes[name].is_float():
        return column
    return f"FORMAT('%.17g', IF({column} = 0.0, 0.0, {column}))"


def _relation(table: Table, table_id: str, stored: Collection[str]) -> str:
    """Return the table with all columns of the question."""
    lacking = [name for name in table.dtypes if name not in stored]
    if not lacking:
        return f"`{table_id}`"
    types = {field.name: field.field_type for field in fields(table)}
    nulls = ", ".join(f"CAST(NULL AS {types[name]}) AS {identifier(name)}" for name in lacking)
    return f"(SELECT *, {nulls} FROM `{table_id}`)"  # noqa: S608 (the source defines these names)
