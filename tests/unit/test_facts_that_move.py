"""An answer about a window of a table whose revisions move facts, or could and never do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.history.knowledge_time import knowledge_time
from energy_platform.history.question import MOVED_BY, Question
from energy_platform.history.revisions import answer, known_by, latest_revision, listed
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.table import Table
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support.effort import examples

FIRST: Final = datetime(2026, 3, 29, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
TABLE: Final = Table(
    name="moving",
    dtypes={
        "fact": pl.String(),
        "observed_at": pl.Datetime("us", "UTC"),
        "number": pl.Int64(),
        "value": pl.Int64(),
        "received_at": pl.Datetime("us", "UTC"),
        "landing_offset": pl.Int64(),
        "withdrawn": pl.Boolean(),
    },
    event_time="observed_at",
    key=("fact",),
)
BOOK: Final = "nord_pool_intraday_order_book"


@st.composite
def histories(draw: st.DrawFn) -> pl.DataFrame:
    """Draw rows in landing order: facts that move and are withdrawn, ties within a message."""
    rows: list[dict[str, Any]] = [
        {
            "fact": draw(st.sampled_from(["a", "b", None])),
            "observed_at": FIRST + draw(st.integers(0, 4)) * HOUR,
            "number": draw(st.sampled_from([None, 1, 2])),
            "value": offset * 10 + place,
            "received_at": FIRST + offset * HOUR,
            "landing_offset": offset,
            "withdrawn": draw(st.sampled_from([None, False, True])),
        }
        for offset in range(draw(st.integers(0, 5)))
        for place in range(draw(st.integers(0, 3)))
    ]
    return pl.DataFrame(rows, schema=TABLE.dtypes)


@settings(max_examples=examples(30))
@given(
    rows=histories(),
    window=st.tuples(
        st.sampled_from([None, *range(4)]), st.sampled_from([None, *range(1, 5)])
    ).filter(lambda window: window != (None, None)),
    revision=st.sampled_from([None, "number"]),
    as_of=st.sampled_from([None, FIRST + 2 * HOUR, -HOUR, "D-0 04:00 Europe/Berlin"]),
)
def test_a_window_has_what_the_whole_table_has_in_it(
    rows: pl.DataFrame, window: tuple[int | None, int | None], revision: str | None, as_of: Any
) -> None:
    """The definition: the last row of each fact in all the table, and only then the window."""
    start, end = (None if hours is None else FIRST + hours * HOUR for hours in window)
    known = None if as_of is None else knowledge_time(as_of, look_ahead=True)
    question = Question(table=TABLE, revision=revision, start=start, end=end, known=known)
    time = pl.col("observed_at")
    arrived = rows.lazy()
    if known is not None:
        arrived = known_by(arrived, question, known)
    wanted = listed(latest_revision(arrived, question)).filter(
        time >= start if start else pl.lit(value=True), time < end if end else pl.lit(value=True)
    )
    got = answer(rows.lazy(), question).collect()
    assert_frame_equal(got.sort("fact"), wanted.collect().sort("fact"))


@pytest.mark.parametrize("hours", [47, 48])
def test_a_revision_from_as_far_as_it_may_move_counts(hours: int) -> None:
    assert timedelta(hours=48) == MOVED_BY
    said = [(FIRST, 1, 10, 0), (FIRST + hours * HOUR, 2, 20, 1), (FIRST, 1, 30, 2)]
    rows = pl.DataFrame(
        [
            {"fact": "a", "observed_at": at, "number": number, "value": value}
            | {"received_at": FIRST, "landing_offset": offset, "withdrawn": False}
            for at, number, value, offset in said
        ],
        schema=TABLE.dtypes,
    )
    window: dict[str, Any] = {"start": FIRST, "end": FIRST + HOUR}
    by_number = Question(table=TABLE, revision="number", **window)
    by_receipt = Question(table=TABLE, **window)
    assert answer(rows.lazy(), by_number).collect().is_empty()
    assert answer(rows.lazy(), by_receipt).collect()["value"].to_list() == [30]
    stays = Question(table=TABLE, revision="number", facts_stay=True, **window)
    assert answer(rows.lazy(), stays).collect()["value"].to_list() == [30]


def test_an_hour_of_the_order_book_opens_no_file_of_another_hour(tmp_path: Path) -> None:
    source = market_source(BOOK)
    table, warehouse = market_table(source), DeltaWarehouse(tmp_path)
    for offset in range(4):
        row: dict[str, Any] = dict.fromkeys(table.dtypes)
        at = FIRST + offset * HOUR
        row |= {"observed_at": at, "received_at": at, "landing_offset": offset}
        row |= {"delivery_area_id": "22", "contract_id": "A", "side": "BUY", "order_id": "1"}
        row |= {"revision_no": offset, "is_snapshot": False, "deleted": False}
        rows = pl.DataFrame([row], schema=table.dtypes)
        warehouse.commit(table, rows, start=offset, stop=offset + 1)
    files = pl.DataFrame(DeltaTable(tmp_path / BOOK).get_add_actions(flatten=True))
    for path in files.filter(pl.col("min.observed_at") != FIRST + HOUR)["path"]:
        (tmp_path / BOOK / path).unlink()
    question = Question(
        table=table,
        start=FIRST + HOUR,
        end=FIRST + 2 * HOUR,
        facts_stay=not source.facts_move,
    )
    assert warehouse.answer(question).collect()["landing_offset"].to_list() == [1]


def test_only_sources_whose_revisions_may_move_them_are_read_beyond_a_window() -> None:
    moving = {name for name, source in market_sources().items() if source.facts_move}
    assert moving == {"nord_pool_intraday_contract", "nord_pool_intraday_trade"}
