"""A row whose period is none of its table's market time units is refused, in every table."""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pandera.polars as pa
import polars as pl
import pytest
from pandera.errors import SchemaErrors

from energy_platform.market.market_time_units import ANY, lasting, lasting_as_in
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import DeliveryRows
from energy_platform.pipeline.checks import check_messages
from tests.support.testcases import case_messages

TESTCASES: Final = Path(__file__).parent.parent / "testcases"
CHECK: Final = "lasts_one_market_time_unit"
ANY_LENGTH: Final = {"entsoe_outage", "position"}
SOURCES: Final = [
    name for name, source in market_sources().items() if issubclass(source.rows, DeliveryRows)
]


@cache
def good_rows(name: str) -> pl.DataFrame:
    source = market_sources()[name]
    cases = sorted((TESTCASES / name).iterdir())
    frames = [check_messages(source, case_messages(source, case)).rows for case in cases]
    return pl.concat(frames).unique(maintain_order=True)


def failed(schema: pa.DataFrameSchema, rows: pl.DataFrame) -> set[int]:
    try:
        schema.validate(rows, lazy=True)
    except SchemaErrors as errors:
        return set(errors.failure_cases.filter(pl.col("check") == CHECK)["index"])
    return set()


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ANY_LENGTH])
@pytest.mark.parametrize("minutes", [-7, 7, 75])
def test_a_period_of_another_length_is_refused(name: str, minutes: int) -> None:
    rows, schema = good_rows(name), market_sources()[name].schema
    assert not failed(schema, rows)
    longer = pl.col("delivery_end") + timedelta(minutes=minutes)
    assert failed(schema, rows.with_columns(delivery_end=longer)) == {*range(rows.height)}


def test_a_table_that_says_nothing_is_held_to_the_usual_units() -> None:
    class Table(DeliveryRows):
        pass

    start = datetime(2026, 3, 29, tzinfo=UTC)
    lengths = [5, 15, 30, 60, 23 * 60, 24 * 60, 25 * 60, 75, 14, 0]
    rows = pl.DataFrame({"delivery_start": start, "length": lengths}).select(
        "delivery_start",
        received_at=pl.col("delivery_start"),
        landing_offset=pl.lit(0, pl.Int64),
        delivery_end=pl.col("delivery_start") + pl.duration(minutes="length"),
    )
    assert failed(Table.to_schema(), rows) == {7, 8, 9}


@pytest.mark.parametrize(
    ("unit", "hours", "fits"),
    [
        ("PT60M", 1, True),
        ("PT15M", 1, False),
        ("hour", 1, True),
        ("hour", 24, False),
        ("day", 23, True),
        ("P1D", 25, True),
        ("P1D", 26, False),
        ("P7D", 167, True),
        ("P1M", 24, False),
        ("soon", 1, False),
        (None, 1, False),
    ],
)
def test_a_column_says_how_long_a_period_is(unit: str | None, hours: int, fits: bool) -> None:  # noqa: FBT001 (a table of cases)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"delivery_start": start, "delivery_end": start + timedelta(hours=hours), "unit": unit}
    rows = pl.DataFrame([row], schema_overrides={"unit": pl.String})
    assert rows.select(lasting_as_in("unit")).item() is fits


def test_blocks_follow_the_local_clock() -> None:
    lengths = pl.DataFrame({"hours": [2, 3, 4, 5, 6]}).select(
        delivery_start=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
        delivery_end=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)) + pl.duration(hours="hours"),
    )
    assert lengths.select(fits=lasting("PT4H"))["fits"].to_list() == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert lengths.select(fits=lasting(ANY)).item() is True


def test_what_is_no_market_time_unit_fails_where_it_is_said() -> None:
    with pytest.raises(ValueError, match="15min is no market time unit"):
        lasting("15min")
