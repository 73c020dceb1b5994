"""The history of a key, against a model that reads it row by row."""

import math
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, ClassVar

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.history.knowledge_time import KnownAt
from energy_platform.history.revisions import (
    known_by,
    latest_of_each_revision,
    latest_revision,
    new_revisions,
)
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.provider import Provider
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketGroup, MarketSource

EPOCH = datetime(2026, 3, 29, tzinfo=UTC)
Row = dict[str, Any]


class ClearingRows(InstantRows):
    bidding_zone: str | None = pa.Field(nullable=True, description="Bidding zone")
    auction: int = pa.Field(description="Auction")
    number: int | None = pa.Field(nullable=True, description="Number")
    price_eur_per_mwh: float | None = pa.Field(nullable=True, description="Price eur per mwh")
    status: str | None = pa.Field(nullable=True, description="Status")


class NoFeed:
    protocol: ClassVar[WireProtocol] = WireProtocol.REST

    async def run(self, session: FeedSession) -> None:
        raise NotImplementedError


def source(*, key: tuple[str, ...], **more: Any) -> MarketSource:
    return MarketSource(
        name="clearing",
        provider=Provider(name="An exchange"),
        group=MarketGroup.AUCTIONS,
        description="A test's own.",
        feed=NoFeed(),
        parse=lambda _: pl.DataFrame(),
        key=key,
        event_time="observed_at",
        expected_lag=timedelta(hours=1),
        terms="none",
        **{"rows": ClearingRows, **more},
    )


UNNUMBERED = source(key=("bidding_zone", "auction"))
NUMBERED = source(key=("bidding_zone", "auction"), revision="number")
WITHOUT_VALUES = source(
    key=("bidding_zone", "auction", "observed_at", "price_eur_per_mwh", "status")
)
sources = st.sampled_from([UNNUMBERED, NUMBERED])


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=UNNUMBERED.dtypes)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Draw rows in landing order: several per message, few keys, few values, nulls and NaN."""
    rows: list[Row] = []
    received_at = EPOCH
    for landing_offset in range(draw(st.integers(0, 12))):
        received_at += timedelta(seconds=draw(st.integers(0, 2)))
        rows += [
            {
                "received_at": received_at,
                "landing_offset": landing_offset,
                "observed_at": EPOCH,
                "bidding_zone": draw(st.sampled_from(["CZ", None])),
                "auction": draw(st.integers(1, 2)),
                "number": draw(st.sampled_from([None, 1, 2, 3])),
                "price_eur_per_mwh": draw(st.sampled_from([-1.0, 0.0, math.nan, None])),
                "status": draw(st.sampled_from(["final", None])),
            }
            for _ in range(draw(st.integers(0, 3)))
        ]
    return rows


def key_of(row: Row) -> tuple[str, int]:
    return (row["bidding_zone"] or "", row["auction"])


def model_latest(rows: list[Row], of: MarketSource) -> list[Row]:
    best: dict[tuple[str, int], Row] = {}
    for row in rows:
        current = best.get(key_of(row))
        if (
            current is None
            or of.revision is None
            or (row["number"] or 0) >= (current["number"] or 0)
        ):
            best[key_of(row)] = row
    return list(best.values())


def model_new(rows: list[Row], of: MarketSource) -> list[Row]:
    said: dict[tuple[object, ...], str] = {}
    new: list[Row] = []
    for row in rows:
        statement = (*key_of(row), row["number"] if of.revision else None)
        # As text NaN equals NaN, and null is its own value.
        value = repr([row[name] for name in of.value_columns])
        if said.get(statement) != value:
            new.append(row)
        said[statement] = value
    return new


def same(got: pl.DataFrame, wanted: list[Row]) -> bool:
    """Say whether the rows are the same ones, whatever their order."""
    expected = frame(wanted)
    return got.sort(got.columns).equals(expected.sort(expected.columns))


def sayings(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what the market said, without when we knew it."""
    return rows.drop("received_at", "landing_offset").sort(
        pl.exclude("received_at", "landing_offset")
    )


@given(rows=histories(), of=sources, data=st.data())
def test_the_latest_revision(rows: list[Row], of: MarketSource, data: st.DataObject) -> None:
    # A store gives messages in any order, and the rows of one message in theirs.
    messages = [list(group) for _, group in groupby(rows, lambda row: int(row["landing_offset"]))]
    shuffled = [row for message in data.draw(st.permutations(messages)) for row in message]
    assert same(latest_revision(frame(shuffled).lazy(), of).collect(), model_latest(rows, of))


@given(rows=histories(), of=sources, seconds=st.integers(-1, 26))
def test_what_was_known_at_an_instant(rows: list[Row], of: MarketSource, seconds: int) -> None:
    instant = EPOCH + timedelta(seconds=seconds)
    by_then = [row for row in rows if row["received_at"] <= instant]
    known = latest_revision(known_by(frame(rows).lazy(), of, KnownAt(instant)), of).collect()
    assert same(known, model_latest(by_then, of))


@given(rows=histories(), of=sources, data=st.data())
def test_new_revisions_in_any_batches(
    rows: list[Row], of: MarketSource, data: st.DataObject
) -> None:
    """However the log is cut into batches, the same rows are stored, in the same order."""
    stored = frame([])
    cuts = sorted({0, len(rows), *data.draw(st.lists(st.integers(0, len(rows)), max_size=4))})
    for start, stop in pairwise(cuts):
        known = latest_of_each_revision(stored.lazy(), of).collect()
        stored = stored.vstack(new_revisions(frame(rows[start:stop]), known, of))
    assert stored.equals(frame(model_new(rows, of)))
    # Nothing is lost by it: the latest values are those of all rows.
    of_all, of_stored = (
        latest_revision(each.lazy(), of).collect() for each in (frame(rows), stored)
    )
    assert sayings(of_stored).equals(sayings(of_all))
    known = latest_of_each_revision(stored.lazy(), of).collect()
    assert new_revisions(known, known, of).is_empty()


def said(*sayings: tuple[int | None, float | None]) -> pl.DataFrame:
    """Return one row per (revision number, price), each in a message of its own."""
    return frame(
        [
            {
                "received_at": EPOCH + timedelta(seconds=landing_offset),
                "landing_offset": landing_offset,
                "observed_at": EPOCH,
                "bidding_zone": "CZ",
                "auction": 1,
                "number": number,
                "price_eur_per_mwh": price,
                "status": None,
            }
            for landing_offset, (number, price) in enumerate(sayings)
        ]
    )


A, B = 10.0, -3.0


@pytest.mark.parametrize(
    ("prices", "new"),
    [
        ([A], [A]),
        ([A, A], [A]),
        ([A, B, A], [A, B, A]),
        ([A, None, None, A], [A, None, A]),
        ([math.nan, math.nan], [math.nan]),
        ([None, None], [None]),
    ],
)
def test_a_price_is_new_when_it_differs_from_the_last(
    prices: list[float | None], new: list[float | None]
) -> None:
    batch = said(*((None, price) for price in prices))
    got = new_revisions(batch, frame([]), UNNUMBERED)
    assert repr(got["price_eur_per_mwh"].to_list()) == repr(new)


def test_of_a_message_that_says_a_key_often_the_last_row_counts() -> None:
    count = 100_000
    place = pl.int_range(count)
    prices = pl.select(auction=place % 7, price_eur_per_mwh=place.cast(pl.Float64))
    same_message = said((1, A)).drop("auction", "price_eur_per_mwh")
    message = same_message.join(prices, how="cross")
    latest = latest_revision(message.lazy(), UNNUMBERED).collect()
    assert sorted(latest["price_eur_per_mwh"]) == [float(count - n) for n in range(7, 0, -1)]


def test_a_late_older_number_is_kept_once_and_never_shown() -> None:
    stored = new_revisions(said((2, B)), frame([]), NUMBERED)
    late = said((2, B), (1, A), (1, A)).slice(1)
    for delivery in (late, late):
        known = latest_of_each_revision(stored.lazy(), NUMBERED).collect()
        stored = stored.vstack(new_revisions(delivery, known, NUMBERED))
    assert stored["number"].to_list() == [2, 1]
    assert latest_revision(stored.lazy(), NUMBERED).collect()["number"].to_list() == [2]


def test_a_higher_number_outlives_a_late_one_also_when_it_repeats_the_values() -> None:
    stored = new_revisions(said((1, A), (3, A), (2, B)), frame([]), NUMBERED)
    assert stored["number"].to_list() == [1, 3, 2]
    [price] = latest_revision(stored.lazy(), NUMBERED).collect()["price_eur_per_mwh"]
    assert price == A


def test_a_number_whose_values_were_corrected_is_new() -> None:
    stored = new_revisions(said((1, A), (1, B), (1, B)), frame([]), NUMBERED)
    assert stored["price_eur_per_mwh"].to_list() == [A, B]


def test_where_no_value_differs_only_unseen_keys_are_new() -> None:
    assert WITHOUT_VALUES.value_columns == ("number",)
    batch = said((1, A), (1, A), (1, B), (1, A))
    stored = new_revisions(batch, frame([]), WITHOUT_VALUES)
    assert stored["landing_offset"].to_list() == [0, 2]
    assert new_revisions(batch, stored, WITHOUT_VALUES).is_empty()
