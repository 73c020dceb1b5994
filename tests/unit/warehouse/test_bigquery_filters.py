"""What BigQuery is told of a predicate: exactly what polars means, or nothing."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from operator import and_, eq, ge, gt, le, lt, ne, or_
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars import col

from energy_platform.market.instants import INSTANT
from energy_platform.market.registry import market_source
from energy_platform.market.table import Table
from energy_platform.reading.where import condition
from energy_platform.storage.warehouse.bigquery import queries, schema
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.filters import filters, identifier, literal
from energy_platform.storage.warehouse.bigquery.queries import DEFAULT_BUDGET
from tests.support.bigquery_tables import fill
from tests.support.effort import examples

NOON = datetime(2026, 3, 29, 12, 0, 0, 1, tzinfo=UTC)
COLUMNS: dict[str, pl.DataType] = {
    "at": INSTANT,
    "zone": pl.String(),
    "price": pl.Float64(),
    "count": pl.Int64(),
    "final": pl.Boolean(),
}
AT_NOON = "TIMESTAMP '2026-03-29 12:00:00.000001+00:00'"


def among(name: str, *values: object) -> pl.Expr:
    """Return whether a column has one of these values, or none where one of them is None."""
    listed = pl.Series(name, values, dtype=COLUMNS[name]).implode()
    return col(name).is_in(listed, nulls_equal=True)


@pytest.mark.parametrize(
    ("predicate", "told"),
    [
        (col("at") >= NOON, [f"(`at` >= {AT_NOON})"]),
        (col("at") < NOON.astimezone(timezone(timedelta(hours=2))), [f"(`at` < {AT_NOON})"]),
        (
            col("at").is_between(NOON, NOON, closed="left"),
            [f"(`at` >= {AT_NOON} AND `at` < {AT_NOON})"],
        ),
        ((col("count") == 1) & (col("zone") != "CZ"), ["(`count` = 1)", '(`zone` != "CZ")']),
        (col("zone").is_in(["CZ", "AT"]), ['(`zone` IN ("CZ", "AT"))']),
        (among("zone", "CZ", "AT"), ['(`zone` IS NOT NULL AND `zone` IN ("CZ", "AT"))']),
        (among("zone", "CZ", None), ['(`zone` IS NULL OR `zone` IN ("CZ"))']),
        (among("zone", None), ["(`zone` IS NULL)"]),
        (among("at", NOON), [f"(`at` IS NOT NULL AND `at` IN ({AT_NOON}))"]),
        (col("zone") == 'a"b\\\n', ['(`zone` = "a\\"b\\\\\\n")']),
        (~(col("final") | col("zone").is_null()), ["(NOT (`final` OR (`zone` IS NULL)))"]),
        (col("price") > 1.5, ["((`price` > 1.5) OR IS_NAN(`price`))"]),
        (col("price") <= -1.5, ["(`price` <= -1.5)"]),
        (col("zone").eq_missing("CZ"), ['(`zone` IS NOT DISTINCT FROM "CZ")']),
        (col("zone").str.contains("C") & (col("count") == 1), ["(`count` = 1)"]),
        # What SQL would say otherwise, or what nobody has looked into, stays with polars.
        (col("zone").str.contains("C") | (col("count") == 1), []),
        (col("price") == pl.lit(math.nan), []),
        (col("price") < math.inf, []),
        (col("count") > 1.5, []),
        (col("count").is_in([1, None]), []),
        (among("price", math.nan), []),
        (col("zone").is_in([str(n) for n in range(1_001)]), []),
        (col("at") >= NOON.date(), []),
        (col("at") < col("at").max(), []),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_told(predicate: pl.Expr, told: list[str]) -> None:
    assert [each.sql for each in filters(predicate, COLUMNS)] == told


def test_what_a_reader_asks_for_is_told() -> None:
    source = market_source("entsoe_day_ahead_price")
    asked = condition(source, {"bidding_zone": "CZ", "auction_sequence": [1, None]})
    assert [each.sql for each in filters(asked, source.dtypes)] == [
        '(`bidding_zone` IS NOT NULL AND `bidding_zone` IN ("CZ"))',
        "(`auction_sequence` IS NULL OR `auction_sequence` IN (1))",
    ]


def test_the_columns_of_each_are_known() -> None:
    predicate = (col("count") == 1) & ((col("zone") == "CZ") | col("price").is_null())
    assert [set(each.columns) for each in filters(predicate, COLUMNS)] == [
        {"count"},
        {"zone", "price"},
    ]


@pytest.mark.parametrize("name", ["", "a b", "a`b", "a;b", "1a"])
def test_what_can_be_no_column_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a column"):
        identifier(name)


@pytest.mark.parametrize("value", [math.nan, -math.inf, 2**63, None, datetime(2026, 3, 29), b""])  # noqa: DTZ001 (this is what must be refused)
def test_what_sql_can_not_write_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="can't be written"):
        literal(value)


VALUES: dict[str, list[object]] = {
    "at": [NOON, NOON + timedelta(microseconds=1), datetime(1900, 1, 1, tzinfo=UTC), None],
    "zone": ["CZ", "cz", "", 'q"\\\n\t', "'; -- ", "č", "\U0001f50c", None],
    "price": [-1.5, 0.0, -0.0, 1e300, 5e-324, math.nan, math.inf, -math.inf, None],
    "count": [-1, 0, 2**53 + 1, -(2**63), None],
    "final": [True, False, None],
}
NOT_SAID = {math.nan, math.inf, -math.inf}
"""Numbers that a column may hold and that are told to nobody."""

TABLE = Table(
    name="filtered",
    dtypes={"landing_offset": pl.Int64(), "received_at": INSTANT, **COLUMNS},
    event_time="received_at",
)


def every_pair() -> pl.DataFrame:
    """Return rows in which every value of a column meets every value of every other."""
    pairs = [
        dict.fromkeys(COLUMNS) | {one: a, other: b}
        for one, other in product(COLUMNS, COLUMNS)
        if one < other
        for a, b in product(VALUES[one], VALUES[other])
    ]
    return (
        pl.DataFrame(pairs, schema=COLUMNS)
        .with_row_index("landing_offset")
        .select(
            pl.col("landing_offset").cast(pl.Int64),
            pl.lit(NOON).cast(INSTANT).alias("received_at"),
            *COLUMNS,
        )
    )


def conditions_on(name: str) -> st.SearchStrategy[pl.Expr]:
    column = col(name)
    said = [value for value in VALUES[name] if value not in {None, *NOT_SAID}]
    value = st.sampled_from(said).map(lambda v: pl.lit(v, dtype=COLUMNS[name]))
    some = [
        st.just(column.is_null()),
        st.just(column.is_not_null()),
        st.builds(lambda op, v: op(column, v), st.sampled_from([eq, ne, lt, le, gt, ge]), value),
        st.builds(column.eq_missing, value),
        st.builds(column.ne_missing, value),
        st.lists(st.sampled_from(said), min_size=1, max_size=3).map(column.is_in),
        st.lists(st.sampled_from([*said, None]), min_size=1, max_size=3).map(
            lambda values: among(name, *values)
        ),
        *([st.just(column)] if name == "final" else []),
    ]
    if name != "final":
        closed = st.sampled_from(["both", "left", "right", "none"])
        some.append(st.builds(column.is_between, value, value, closed))
    return st.one_of(some)


conditions = st.recursive(
    st.one_of([conditions_on(name) for name in COLUMNS]),
    lambda inner: st.one_of(
        st.builds(and_, inner, inner), st.builds(or_, inner, inner), inner.map(pl.Expr.not_)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    return every_pair()


# Not shrunk: each try asks the emulator for a second.
@settings(
    max_examples=examples(2),
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(predicates=st.lists(conditions, min_size=30, max_size=30))
def test_bigquery_and_polars_mean_the_same(
    clients: Clients, pairs: pl.DataFrame, predicates: list[pl.Expr]
) -> None:
    """Hold thirty conditions against each other on the same rows, null, NaN and all."""
    table = replace(TABLE, name=f"filtered_{uuid4().hex}")
    fill(clients, table, pairs)
    told = [filters(predicate, COLUMNS) for predicate in predicates]
    said = ", ".join(
        f"IFNULL({' AND '.join(part.sql for part in parts)}, FALSE) AS said_{n}"
        for n, parts in enumerate(told)
    )
    sql = f"SELECT {said}, landing_offset FROM `{schema.reference(clients, table)}`"
    found = queries.run(clients, sql, what=table.name, budget=DEFAULT_BUDGET)
    got = pl.concat(found).sort("landing_offset")
    for n, predicate in enumerate(predicates):
        wanted = pairs.select(predicate.fill_null(value=False)).to_series()
        assert got[f"said_{n}"].to_list() == wanted.to_list(), (str(predicate), told[n])
