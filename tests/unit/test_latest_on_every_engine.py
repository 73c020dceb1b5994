"""One rule says which row of a key is the latest; polars, BigQuery's SQL and dbt's macros keep it.

The SQL of both runs on DuckDB here. dbt's macros are its own files, as its DuckDB adapter reads
them; of BigQuery's text only the words are exchanged that DuckDB writes differently. What the
service itself answers is held against polars in `warehouse/test_bigquery_history.py`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import duckdb
import jinja2
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.history.knowledge_time import knowledge_time
from energy_platform.history.question import Question
from energy_platform.history.revisions import answer
from energy_platform.market.rows import Instant, InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WholeList
from energy_platform.marts.catalogue import project_folder
from energy_platform.marts.dbt_sources import contract
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.bigquery.history_sql import candidates_sql
from energy_platform.storage.warehouse.bigquery.schema import PLACE
from tests.support.effort import examples
from tests.unit.test_history import source as a_source

EPOCH: Final = datetime(2026, 3, 29, tzinfo=UTC)
Row = dict[str, Any]


class Rows(InstantRows):
    """A value of an area and a height, numbered and stamped."""

    area: str = pa.Field(nullable=True, description="Area")
    height_m: float = pa.Field(description="Height m")
    number: int = pa.Field(nullable=True, description="Number")
    published_at: Instant = pa.Field(nullable=True, description="Published at")
    wind_speed_m_per_s: float = pa.Field(nullable=True, description="Wind speed m per s")


def of(revision: str | None, *, lists: bool) -> MarketSource:
    whole_list = WholeList(name={"area": pl.col("area")}) if lists else None
    key = ("area", "height_m", "observed_at")
    return a_source(
        key=key, revision=revision, rows=Rows, whole_list=whole_list, hot_tags=("area",)
    )


SOURCES: Final = [
    of(revision, lists=lists)
    for revision in (None, "number", "published_at")
    for lists in (False, True)
]


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Draw rows in landing order: messages that say a key often, ties, nulls, withdrawals."""
    return [
        {
            "received_at": EPOCH + timedelta(hours=offset // 2),
            "landing_offset": offset,
            PLACE: place,
            "observed_at": EPOCH + timedelta(hours=draw(st.integers(0, 1))),
            "area": draw(st.sampled_from(["CZ", None])),
            "height_m": draw(st.sampled_from([0.0, -0.0, 0.1, 100.0])),
            "number": draw(st.sampled_from([None, 1, 2])),
            "published_at": draw(st.sampled_from([None, EPOCH, EPOCH + timedelta(hours=1)])),
            "wind_speed_m_per_s": float(offset * 10 + place),
            "withdrawn": draw(st.sampled_from([None, False, True])),
        }
        for offset in range(draw(st.integers(0, 5)))
        for place in range(draw(st.integers(0, 4)))
    ]


def frame(source: MarketSource, rows: list[Row]) -> pl.DataFrame:
    dtypes = {**market_table(source).dtypes, PLACE: pl.Int64()}
    return pl.DataFrame(rows, schema_overrides=dtypes, schema=None if rows else dtypes).select(
        *dtypes
    )


class Macros:
    """dbt's macros of the history, rendered as its DuckDB adapter would."""

    def __init__(self, source: MarketSource) -> None:
        environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
        folder = project_folder() / "macros"
        text = "".join((folder / f"{name}.sql").read_text() for name in ("engines", "history"))
        self._macros: Any = None
        self._macros = environment.from_string(
            text,
            globals={
                "return": lambda said: said,
                "adapter": SimpleNamespace(
                    dispatch=lambda name: getattr(self._macros, f"duckdb__{name}")
                ),
                "contract": lambda _: contract(source),
                "source": lambda _, name: name,
                "modules": SimpleNamespace(re=re),
            },
        ).make_module()

    def latest_revision(self) -> str:
        return str(self._macros.latest_revision("stored"))

    def as_of(self, moment: str) -> str:
        return str(self._macros.as_of("stored", moment))


def on_duckdb(bigquery: str) -> str:
    """Return BigQuery's text in DuckDB's words."""
    text = bigquery.replace("`", '"').replace("FORMAT('%.17g', ", "format('{:.17g}', ")
    text = re.sub(r"TIMESTAMP '", "TIMESTAMPTZ '", text)
    return re.sub(
        r"TIMESTAMP_SUB\((.*?), INTERVAL (-?\d+) MICROSECOND\)", r"(\1 - to_microseconds(\2))", text
    )


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


@settings(max_examples=examples(30), phases=[Phase.generate])
@given(source=st.sampled_from(SOURCES), rows=histories(), moment=st.integers(-1, 4))
def test_the_latest_row_is_the_same_everywhere(
    connection: duckdb.DuckDBPyConnection, source: MarketSource, rows: list[Row], moment: int
) -> None:
    stored = frame(source, rows)
    connection.register("stored_rows", stored.rename({PLACE: "_place"}).to_arrow())
    connection.execute("create or replace table stored as from stored_rows")
    connection.register("placed_rows", stored.to_arrow())
    connection.execute("create or replace table placed as from placed_rows")
    macros, instant = Macros(source), EPOCH + timedelta(hours=moment)
    asked = [
        (None, macros.latest_revision()),
        (instant, macros.as_of(f"{instant:%Y-%m-%dT%H:%M:%SZ}")),
        (timedelta(hours=moment), macros.as_of(f"{moment} hour")),
    ]
    for as_of, by_macro in asked:
        question = Question(
            table=market_table(source),
            revision=source.revision,
            known=None if as_of is None else knowledge_time(as_of, look_ahead=True),
        )
        wanted = answer(stored.drop(PLACE).lazy(), question).collect()
        dtypes = question.table.dtypes
        sql = candidates_sql(question, dtypes, table_id="placed", stored=dtypes)
        chosen = connection.sql(on_duckdb(sql)).pl().cast(pl.Schema(dtypes))
        assert not chosen.select(pl.struct(question.key).is_duplicated().any()).item()
        latest = connection.sql(f"select * from {by_macro} as latest").pl()
        order = list(question.dtypes)
        for found in (
            answer(chosen.lazy(), question).collect(),
            latest.select(*question.dtypes).cast(pl.Schema(question.dtypes)),
        ):
            assert_frame_equal(found.sort(order), wanted.sort(order))
