"""What BigQuery answers of the past, against polars and against the model of every row."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from syrupy.assertion import SnapshotAssertion

from energy_platform.history import revisions as history
from energy_platform.history.knowledge_time import (
    DailyMoment,
    KnowledgeTime,
    KnownAt,
    LeadTime,
    for_later,
    knowledge_time,
)
from energy_platform.history.question import Question, RunSpan
from energy_platform.history.runs import judged, summaries, wanted_spans
from energy_platform.market.publication import (
    AfterEvent,
    AfterRun,
    DailyPublication,
    Knowable,
    Stated,
    Where,
)
from energy_platform.market.source import MarketSource
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WholeList
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.bigquery import queries, reads, schema
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.filters import filters
from energy_platform.storage.warehouse.bigquery.history_sql import candidates_sql, on_key
from energy_platform.storage.warehouse.bigquery.queries import DEFAULT_BUDGET
from tests.support.bigquery_tables import fill
from tests.support.effort import examples
from tests.support.stores import batches_in, land, run_all
from tests.unit.test_as_of import (
    ANY_ROW,
    EVENTS,
    FIRST,
    HOUR,
    NUMBERED,
    PRICES,
    WIND,
    Ask,
    asks,
    everything,
    messages,
    model,
    raw,
    sayings,
)

MOVING = replace(PRICES, key=("bidding_zone",))
LISTED = replace(PRICES, whole_list=WholeList(name={"zone": pl.col("bidding_zone")}))
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
RULES = (
    Where("bidding_zone", "AT", AfterEvent(-30 * HOUR)),
    DailyPublication(at=time(2, 30, 15), zone="Europe/Berlin"),
)
"""Rules that put rows before, between and after the messages of these tests."""
TABLE_ID = "project.energy.a_table"


def question_of(source: MarketSource, **asked: Any) -> Question:
    return Question(table=market_table(source), revision=source.revision, **asked)


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(question_of(PRICES), id="latest"),
        pytest.param(question_of(NUMBERED, start=MARCH, known=KnownAt(MARCH)), id="at an instant"),
        pytest.param(question_of(PRICES, end=MARCH, known=LeadTime(HOUR)), id="an hour ahead"),
        pytest.param(
            question_of(WIND, known=DailyMoment(1, time(12), "Europe/Berlin"), run="latest_each"),
            id="latest run at the gate",
        ),
        pytest.param(
            question_of(WIND, known=LeadTime(HOUR), run=(RunSpan(MARCH, MARCH, None),)),
            id="the run that is wanted at each moment",
        ),
        pytest.param(question_of(WIND, start=MARCH, run=MARCH), id="one run"),
        pytest.param(question_of(MOVING, start=MARCH), id="facts that move"),
        pytest.param(question_of(LISTED, start=MARCH), id="what is listed"),
        pytest.param(
            Question(table=replace(market_table(PRICES), is_large=True)), id="a large table"
        ),
    ],
)
def test_the_text_of_a_question(question: Question, snapshot: SnapshotAssertion) -> None:
    """After a wanted change: `pytest tests/unit/warehouse --snapshot-update`."""
    dtypes = question.table.dtypes
    assert candidates_sql(question, dtypes, table_id=TABLE_ID, stored=dtypes) == snapshot


def test_only_filters_on_the_key_apply_before_the_latest_row_is_chosen() -> None:
    predicate = (
        (pl.col("area") == "CZ")
        & (pl.col("run_at") < MARCH)
        & (pl.col("wind_speed_m_per_s") < 3.0)
        & ((pl.col("valid_at") < MARCH) | (pl.col("wind_speed_m_per_s") < 1.0))
    )
    question = question_of(WIND)
    told = filters(predicate, question.table.dtypes)
    assert on_key(question, told) == told[:2]
    # Of several runs, the latest that has a value counts, also where a filter lets it not through.
    assert on_key(replace(question, run="latest_each"), told) == told[:1]


def ask(clients: Clients, table: Table, questions: list[Question]) -> list[pl.DataFrame]:
    """Return the answer to each question from what SQL chooses, by one query for all."""
    where, dtypes = str(schema.reference(clients, table)), table.dtypes
    said = [candidates_sql(each, dtypes, table_id=where, stored=dtypes) for each in questions]
    sql = "\nUNION ALL\n".join(
        f"SELECT *, {n} AS question FROM (\n{each}\n)" for n, each in enumerate(said)
    )
    nothing = pl.DataFrame(schema={**dtypes, "question": pl.Int64()})
    found = queries.run(clients, sql, what=table.name, budget=DEFAULT_BUDGET)
    got = pl.concat([nothing, *(each.select(nothing.columns) for each in found)])
    chosen = [got.filter(question=n).select(*dtypes) for n in range(len(questions))]
    for question, rows in zip(questions, chosen, strict=True):
        assert not rows.select(pl.struct(question.key).is_duplicated().any()).item()
    return [
        history.answer(rows.lazy(), question).select(*question.dtypes).collect()
        for question, rows in zip(questions, chosen, strict=True)
    ]


def assert_same_rows(got: pl.DataFrame, wanted: pl.DataFrame) -> None:
    assert_frame_equal(got.sort(got.columns), wanted.sort(wanted.columns), check_exact=True)


runs = st.sampled_from(
    [None, "latest_each", *(EVENTS[0] - number * 6 * HOUR for number in range(3))]
)
windows = st.sampled_from([(-50, 50), (0, 24), (24, 50)])


# Not shrunk: each try asks the emulator for seconds.
@settings(
    max_examples=examples(2),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    source=st.sampled_from([PRICES, NUMBERED, WIND, MOVING]),
    said=messages,
    asked=st.lists(st.tuples(asks, windows, runs), min_size=10, max_size=10),
)
def test_sql_and_polars_and_the_model_agree(
    clients: Clients,
    source: MarketSource,
    said: list[tuple[int, list[dict[str, Any]] | None]],
    asked: list[tuple[Ask, tuple[int, int], Any]],
) -> None:
    """Late, repeated, reordered and corrected rows, on the days around a change of clocks."""
    landed = raw(said)
    with tempfile.TemporaryDirectory() as folder:
        batches = batches_in(Path(folder))
        land(batches, landed, source=source)
        run_all(batches, source)
        stored = batches.warehouse.scan(market_table(source)).collect()
    table = replace(market_table(source), name=f"history_{uuid4().hex}", is_large=True)
    fill(clients, table, stored)
    questions = [
        Question(
            table=table,
            revision=source.revision,
            start=FIRST + start * HOUR,
            end=FIRST + end * HOUR,
            known=None if how.as_of is None else knowledge_time(how.as_of, look_ahead=True),
            run=run if source is WIND else None,
        )
        for how, (start, end), run in asked
    ]
    arrived = everything(source, landed)
    answers = ask(clients, table, questions)
    for question, got, (how, (start, end), _) in zip(questions, answers, asked, strict=True):
        assert_same_rows(got, history.answer(stored.lazy(), question).collect())
        if question.run is None and source is not MOVING:
            known = model(source, arrived, how, (FIRST + start * HOUR, FIRST + end * HOUR))
            assert sayings(got.to_dicts(), source) == sayings(list(known.values()), source)


WEEKDAYS = DailyPublication(
    at=time(12), zone="Europe/Gas_Day", days_ahead=0, weekdays=frozenset({0, 2})
)
CLOCKS: dict[str, tuple[Knowable, ...] | None] = {
    "received": None,
    "rules": RULES,
    "weekdays": (WEEKDAYS,),
    "stated": (Stated("delivery_end"), AfterEvent(HOUR)),
}
RUN_CLOCKS: dict[str, tuple[Knowable, ...] | None] = {
    **{name: CLOCKS[name] for name in ("received", "weekdays")},
    "run": (Where("area", "CZ", AfterRun(HOUR)), AfterRun(20 * HOUR)),
}


@settings(
    max_examples=examples(2),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    source=st.sampled_from([PRICES, NUMBERED, WIND, MOVING, LISTED]),
    said=messages,
    asked=st.lists(st.tuples(asks, windows), min_size=2, max_size=2),
    data=st.data(),
)
def test_clocks_revisions_vintages_and_runs_are_answered_as_elsewhere(
    clients: Clients,
    source: MarketSource,
    said: list[tuple[int, list[dict[str, Any]] | None]],
    asked: list[tuple[Ask, tuple[int, int]]],
    data: st.DataObject,
) -> None:
    landed = raw(said)
    with tempfile.TemporaryDirectory() as folder:
        batches = batches_in(Path(folder))
        land(batches, landed, source=source)
        run_all(batches, source)
        stored = batches.warehouse.scan(market_table(source)).collect()
    table = replace(market_table(source), name=f"history_{uuid4().hex}", is_large=True)
    fill(clients, table, stored)
    clocks = RUN_CLOCKS if source is WIND else CLOCKS
    moments = [
        knowledge_time(how.as_of, look_ahead=True) for how, _ in asked if how.as_of is not None
    ]
    questions = []
    for how, (start, end) in asked:
        plain = Question(
            table=table,
            revision=source.revision,
            start=FIRST + start * HOUR,
            end=FIRST + end * HOUR,
            known=None if how.as_of is None else knowledge_time(how.as_of, look_ahead=True),
        )
        clock = clocks[data.draw(st.sampled_from([*clocks]))]
        questions.append(replace(plain, published=clock, every_revision=True))
        questions.append(replace(plain, published=clock or (WEEKDAYS,)))
        if moments:
            questions.append(replace(plain, known=None, vintages=tuple(moments)))
        if source is WIND:
            everything = summaries(stored.lazy(), replace(plain, known=None)).collect()
            since = data.draw(st.sampled_from(["first_known_at", "complete_at"]))
            questions.append(replace(plain, run=wanted_spans(judged(everything, None), since)))
            for one in (plain, replace(plain, published=clock)):
                got = reads.run_summaries(clients, one, DEFAULT_BUDGET).collect()
                assert_same_rows(got, summaries(stored.lazy(), one).collect())
    for question in questions:
        got = reads.answer(clients, question, DEFAULT_BUDGET).collect()
        assert_same_rows(got, history.answer(stored.lazy(), question).select(got.columns).collect())


def test_withdrawn_rows_are_no_part_of_an_answer(clients: Clients) -> None:
    """What a newer list lacks, and what comes back, as of each message and a moment before it."""
    both, first = [{**ANY_ROW, "event": 0}, {**ANY_ROW, "event": 1}], [{**ANY_ROW, "event": 0}]
    landed = raw([(0, both), (1, first), (1, both), (1, first)])
    with tempfile.TemporaryDirectory() as folder:
        batches = batches_in(Path(folder))
        land(batches, landed, source=LISTED)
        run_all(batches, LISTED)
        stored = batches.warehouse.scan(market_table(LISTED)).collect()
    table = replace(market_table(LISTED), name=f"history_{uuid4().hex}", is_large=True)
    fill(clients, table, stored)
    moments = [one.received_at - before for one in landed for before in (timedelta(0), HOUR / 2)]
    questions = [Question(table=table, known=KnownAt(moment)) for moment in moments]
    answers = ask(clients, table, [*questions, Question(table=table)])
    assert [answer.height for answer in answers] == [2, 0, 1, 2, 2, 1, 1, 2, 1]
    for question, got in zip(questions, answers, strict=False):
        assert_same_rows(got, history.answer(stored.lazy(), question).collect())


def test_a_daily_moment_on_the_days_that_clocks_are_changed(clients: Clients) -> None:
    """Each quarter-hour around three changes, asked at times that are skipped and shown twice."""
    quarter = timedelta(minutes=15)
    around = [datetime(2026, month, day, tzinfo=UTC) for month, day in [(3, 29), (10, 25), (4, 5)]]
    events = [start + n * quarter for start in around for n in range(-130, 230)]
    rows = pl.DataFrame(
        {
            "delivery_start": events,
            "delivery_end": [event + quarter for event in events],
            "bidding_zone": "CZ",
            "price_eur_per_mwh": 1.0,
            "landing_offset": range(len(events)),
        }
    )
    moments: list[KnowledgeTime] = [
        DailyMoment(days, time(hour, minute), zone)
        for zone in ("Europe/Berlin", "Australia/Lord_Howe", "UTC")
        for days, hour, minute in [(0, 2, 30), (1, 2, 0), (1, 1, 45), (2, 12, 0)]
    ]
    moments += [for_later(moment, lag) for moment in moments[::4] for lag in (24 * HOUR, HOUR / 2)]
    table = market_table(PRICES)
    # Received at that very moment, or just after it: an hour's mistake is seen either way.
    late = (pl.int_range(pl.len()) % 2) * timedelta(microseconds=1)
    stored = pl.concat(
        rows.with_columns(
            received_at=moment.known_by(pl.col("delivery_start")) + late,
            bidding_zone=pl.lit(str(n)),
        )
        for n, moment in enumerate(moments)
    ).select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())
    fill(clients, table, stored)
    questions = [Question(table=table, known=moment) for moment in moments]
    for n, (question, got) in enumerate(
        zip(questions, ask(clients, table, questions), strict=True)
    ):
        assert got.filter(bidding_zone=str(n)).height == len(events) // 2
        assert_same_rows(got, history.answer(stored.lazy(), question).collect())
