"""An instant of any time zone asks every table the same question, whichever store keeps it."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.history.knowledge_time import KnownAt
from energy_platform.history.question import Question
from energy_platform.history.revisions import answer
from energy_platform.market.registry import market_sources
from energy_platform.market.table import Table
from energy_platform.marts.catalogue import marts
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.bigquery.history_sql import candidates_sql

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ELSEWHERE = [ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), timezone(-9 * HOUR)]
TABLES = {name: market_table(source) for name, source in market_sources().items()}
RUNS = {name for name, source in market_sources().items() if "run_at" in source.key}


def question(table: Table, zone: tzinfo) -> Question:
    at = NOON.astimezone(zone)
    run = at if table.name in RUNS else None
    return Question(table=table, start=at, end=at + HOUR, known=KnownAt(at), run=run)


def rows(table: Table) -> pl.LazyFrame:
    """Return rows of which two are in the window and one of those is known."""
    events = [NOON - HOUR, NOON, NOON + HOUR / 2, NOON + HOUR]
    received = [NOON, NOON, NOON + HOUR, NOON]
    frame = pl.DataFrame({"number": range(4), "event": events, "received": received})
    columns = {
        name: pl.lit(NOON) if isinstance(dtype, pl.Datetime) else pl.col("number").cast(dtype)
        for name, dtype in table.dtypes.items()
    }
    columns |= {table.event_time: pl.col("event"), "received_at": pl.col("received")}
    return frame.lazy().select(
        value.cast(table.dtypes[name]).alias(name) for name, value in columns.items()
    )


@pytest.mark.parametrize("zone", ELSEWHERE, ids=str)
@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_delta_answers_in_any_zone(table: Table, zone: tzinfo) -> None:
    of_table = rows(table)
    got = answer(of_table, question(table, zone)).collect()
    assert got.equals(answer(of_table, question(table, UTC)).collect())
    assert got[table.event_time].to_list() in ([NOON], [])
    withdrawn = table.has_withdrawals
    assert got.height == (0 if withdrawn else 1)


@pytest.mark.parametrize("zone", ELSEWHERE, ids=str)
@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_bigquery_is_asked_in_utc(table: Table, zone: tzinfo) -> None:
    dtypes = table.dtypes
    texts = {
        candidates_sql(question(table, each), dtypes, table_id="p.d.t", stored=dtypes)
        for each in (UTC, zone)
    }
    assert len(texts) == 1


@pytest.mark.parametrize("name", [*TABLES, *marts()])
def test_a_reader_may_ask_in_any_zone(name: str, home: Path) -> None:
    (home / "warehouse").mkdir(parents=True)
    for zone in ELSEWHERE:
        at = NOON.astimezone(zone)
        as_of = None if name in marts() else at
        run = at if name in RUNS else None
        got = ep.load(name, start=at, end=at + HOUR, as_of=as_of, run=run, missing="empty")
        assert got.is_empty()
