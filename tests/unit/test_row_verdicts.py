"""The compiled checks have pandera's verdict, for every kind of check and every source."""

import math
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import hypothesis
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandera.api.checks import Check

from energy_platform.market.instants import INSTANT, OUR_TIME
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline import row_verdicts
from energy_platform.pipeline.compiled_checks import CompiledChecks
from energy_platform.pipeline.row_verdicts import split, split_by_pandera
from tests.support.effort import examples
from tests.support.sources import EXAMPLE, NOON
from tests.support.verdicts import held_to_pandera

NUMBERS: Final = [None, math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
TEXTS: Final = [None, "", "a", "ab", "abc", "b", "xabx", "PT15M", "PT60M", "P1D", "DE-LU"]
INSTANTS: Final = [
    *(OUR_TIME[0] - timedelta(microseconds=1), OUR_TIME[0], OUR_TIME[1], None),
    *(NOON + timedelta(minutes=minutes) for minutes in (0, 15, 30, 60, 90, 24 * 60)),
]

COMPILED: Final[dict[str, Check]] = {
    "equal_to": pa.Check.equal_to(1.0),
    "not_equal_to": pa.Check.not_equal_to(1.0),
    "greater_than": pa.Check.greater_than(1.0),
    "greater_than_or_equal_to": pa.Check.greater_than_or_equal_to(1.0),
    "less_than": pa.Check.less_than(1.0),
    "less_than_or_equal_to": pa.Check.less_than_or_equal_to(1.0),
    "in_range": pa.Check.in_range(0.0, 2.0, include_min=False),
    "isin": pa.Check.isin([0.0, 1.0]),
    "notin": pa.Check.notin([0.0, 1.0]),
    "str_matches": pa.Check.str_matches("ab"),
    "str_contains": pa.Check.str_contains("ab"),
    "str_startswith": pa.Check.str_startswith("a"),
    "str_endswith": pa.Check.str_endswith("b"),
    "str_length": pa.Check.str_length(1, 2),
}
"""pandera's own kinds that are expressions."""

BY_PANDERA: Final = {"unique_values_eq": pa.Check.unique_values_eq({1.0})}
"""Its kinds that are none: a verdict on the column as a whole."""


def said_of(data: pa.PolarsData) -> pl.Expr:
    return pl.col(data.key)


OTHERS: Final[dict[str, Check]] = {
    "null fails": pa.Check(lambda data: data.lazyframe.select(said_of(data) > 0), ignore_na=False),
    "two columns": pa.Check(
        lambda data: data.lazyframe.select(said_of(data) > 0, other=said_of(data) < 2)
    ),
    "wildcard": pa.Check(lambda data: data.lazyframe.select(pl.col("*").is_not_null())),
    "no column": pa.Check(lambda data: data.lazyframe.select(pl.col("^nothing$"))),
    "no boolean": pa.Check(lambda data: data.lazyframe.select(said_of(data))),
    "depends on the row before": pa.Check(
        lambda data: data.lazyframe.select(said_of(data) >= said_of(data).shift())
    ),
    "depends on all rows": pa.Check(
        lambda data: data.lazyframe.select(said_of(data) <= said_of(data).mean())
    ),
    "about the column": pa.Check(lambda data: data.lazyframe.select(said_of(data).sum() < 5)),
    "by element": pa.Check(lambda value: value > 0, element_wise=True),
    "collects": pa.Check(lambda data: data.lazyframe.select(said_of(data) > 0).collect().lazy()),
    "only warns": pa.Check.greater_than(1.0, raise_warning=True),
    "few cases": pa.Check.greater_than(1.0, n_failure_cases=1),
    "raises": pa.Check(lambda data: data.lazyframe.select(1 / 0)),
    "raises when it runs": pa.Check(
        lambda data: data.lazyframe.select(said_of(data).cast(pl.Int8, strict=True) >= 0)
    ),
}


def test_every_kind_of_check_that_pandera_has_is_held() -> None:
    pa.DataFrameSchema().validate(pl.DataFrame())  # only now they know polars
    assert {*COMPILED, *BY_PANDERA} == {
        name
        for name, function in Check.CHECK_FUNCTION_REGISTRY.items()
        if pa.PolarsData in function._function_registry
    }


@pytest.mark.filterwarnings("ignore::pandera.errors.SchemaWarning")
@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("kind", [*COMPILED, *BY_PANDERA, *OTHERS])
def test_a_check_of_any_kind_gives_pandera_s_verdict(kind: str, *, nullable: bool) -> None:
    check = {**COMPILED, **BY_PANDERA, **OTHERS}[kind]
    texts, dtype = kind.startswith("str_"), pl.String if kind.startswith("str_") else pl.Float64
    source = with_schema({"value": pa.Column(dtype, checks=check, nullable=nullable)})
    values = TEXTS if texts else NUMBERS
    for seed in range(8):
        chosen = random.Random(seed).choices(values, k=seed)
        held_to_pandera(source, pl.DataFrame({"value": chosen}, schema={"value": dtype}))
    good: list[Any] = ["ab"] * 3 if texts else [1.0] * 3
    held_to_pandera(source, pl.DataFrame({"value": good}))


@pytest.mark.parametrize("kind", COMPILED)
def test_pandera_s_own_checks_are_compiled(kind: str) -> None:
    dtype = pl.String if kind.startswith("str_") else pl.Float64
    compiled = CompiledChecks.of(
        pa.DataFrameSchema({"value": pa.Column(dtype, checks=COMPILED[kind])})
    )
    assert compiled is not None
    assert compiled.rest is None


@pytest.mark.parametrize(
    "settings",
    [
        {"unique": ["value", "other"]},
        {"columns": {"value": pa.Column(pl.Float64, unique=True, nullable=True)}},
        {"columns": {"^va.*$": pa.Column(pl.Float64, regex=True)}},
        {"columns": {"value": pa.Column(pl.Float64, required=False, nullable=True)}},
        {"columns": {"value": pa.Column(pl.Int64, nullable=True)}},
        {"strict": True, "columns": {"value": pa.Column(pl.Float64, nullable=True)}},
    ],
)
def test_a_schema_of_any_kind_gives_pandera_s_verdict(settings: dict[str, Any]) -> None:
    both = {name: pa.Column(pl.Float64, nullable=True) for name in ("value", "other")}
    source = with_schema(**{"columns": both, **settings})
    for seed in range(8):
        draw = random.Random(seed)
        rows = {name: draw.choices([0.0, 1.0, None], k=seed) for name in ("value", "other")}
        held_to_pandera(source, pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.Float64)))


def test_all_checks_of_all_sources_are_compiled() -> None:
    for source in market_sources().values():
        compiled = CompiledChecks.of(source.schema)
        assert compiled is not None, source.name
        assert compiled.rest is None, source.name


def test_pandera_is_not_asked_where_all_rows_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pl.DataFrame({"value": [1.0, 2.0]})
    source = with_schema({"value": pa.Column(pl.Float64, pa.Check.gt(0))})
    split(source, rows)
    monkeypatch.setattr(row_verdicts, "split_by_pandera", None)
    assert split(source, rows).passing.equals(rows)


def test_pandera_is_asked_for_the_failing_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def noted(source: MarketSource, rows: pl.DataFrame) -> row_verdicts.Split:
        asked.append(rows.height)
        return split_by_pandera(source, rows)

    monkeypatch.setattr(row_verdicts, "split_by_pandera", noted)
    source = with_schema({"value": pa.Column(pl.Float64, pa.Check.gt(0))})
    found = split(source, pl.DataFrame({"value": [1.0, -1.0, 2.0, None, 3.0]}))
    assert asked == [2]
    assert found.passing["value"].to_list() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", market_sources())
def test_rows_of_every_source_get_pandera_s_verdict(name: str) -> None:
    source = market_sources()[name]

    @hypothesis.settings(max_examples=examples(3), derandomize=True, database=None, deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 25), st.floats(0, 1))
    def holds(seed: int, height: int, usual: float) -> None:
        held_to_pandera(source, rows_of(source, random.Random(seed), height, usual))

    holds()


def rows_of(source: MarketSource, draw: random.Random, height: int, usual: float) -> pl.DataFrame:
    """Return rows of values at and around what the checks allow, most of them `usual`ly one."""
    columns = {}
    for column, dtype in source.dtypes.items():
        values = [*some_values(dtype), *edges(source, column)]
        one = draw.choice(values)
        columns[column] = [
            one if draw.random() < usual else draw.choice(values) for _ in range(height)
        ]
    return pl.DataFrame(columns, schema=source.dtypes, strict=False)


def some_values(dtype: pl.DataType) -> list[Any]:
    if dtype == INSTANT:
        return INSTANTS
    by_type: dict[object, list[Any]] = {
        pl.String(): TEXTS,
        pl.Boolean(): [True, False, None],
        pl.Int64(): [None, -1, 0, 1, 2**40],
        pl.Float64(): NUMBERS,
    }
    return by_type[dtype]


def edges(source: MarketSource, column: str) -> list[Any]:
    """Return the values at which the checks of a column change their mind."""
    found: list[Any] = []
    for check in source.schema.columns[column].checks:
        for value in check.statistics.values():
            if isinstance(value, list | set | tuple | frozenset):
                found += value
            elif isinstance(value, int | float) and not isinstance(value, bool):
                whole = source.dtypes[column].is_integer()
                found += [value, *(value + step * (1 if whole else 1e-6) for step in (-1, 1))]
    return found


def with_schema(columns: dict[str, pa.Column] | None = None, **settings: Any) -> MarketSource:
    """Return a source whose rows are checked by another schema."""
    source = replace(EXAMPLE)
    source.__dict__["schema"] = pa.DataFrameSchema(columns, **settings)
    return source
