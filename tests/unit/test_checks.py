"""Good rows go through, bad ones are quarantined with their reason, and none is lost."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import PART, check_messages
from energy_platform.pipeline.parsing import UNPARSED
from energy_platform.pipeline.row_verdicts import Split, split, split_by_pandera
from tests.support.sources import EXAMPLE, NOON, example_message, prices


def test_a_bad_row_does_not_block_the_ones_beside_it() -> None:
    message = example_message([("CZ", 0, 50.0), ("CZ", 1, 9_999.0), ("DE-LU", 0, None)])
    checked = check_messages(EXAMPLE, [message])
    assert prices(checked.rows) == [50.0, None]
    assert checked.rows["received_at"].to_list() == [NOON, NOON]
    [failure] = checked.quarantined.to_dicts()
    assert failure["check"] == "less_than_or_equal_to(5000)"
    assert "price_eur_per_mwh = 9999.0" in failure["reason"]
    assert '"bidding_zone":"CZ"' in failure["row"]


def test_a_row_that_fails_two_checks_is_quarantined_once() -> None:
    checked = check_messages(EXAMPLE, [example_message([("XX", 0, -9_999.0)])])
    [failure] = checked.quarantined.to_dicts()
    assert "isin" in failure["check"]
    assert "greater_than_or_equal_to(-500)" in failure["check"]


def test_numbers_that_are_none_are_refused() -> None:
    body = b'[{"zone": "CZ", "quarter": 0, "price": NaN}, {"zone": "CZ", "quarter": 1, "price": 1}]'
    checked = check_messages(EXAMPLE, [example_message(body)])
    assert prices(checked.rows) == [1.0]
    assert "numbers_are_finite" in checked.quarantined["check"][0]


def test_a_bad_message_does_not_block_the_ones_beside_it() -> None:
    messages = [
        example_message([("CZ", number, float(number))], offset=number)
        if number % 3
        else example_message(b"{}" if number else b"\xff", offset=number)
        for number in range(10)
    ]
    checked = check_messages(EXAMPLE, messages)
    assert checked.rows["landing_offset"].to_list() == [1, 2, 4, 5, 7, 8]
    assert checked.quarantined["landing_offset"].to_list() == [0, 3, 6, 9]
    assert set(checked.quarantined["check"]) == {UNPARSED}
    assert checked.unparsed == 4
    assert checked.quarantined["reason"][1] == "not a JSON array"


def test_a_part_that_its_parser_refuses_does_not_block_the_ones_beside_it() -> None:
    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        is_czech = pl.col("bidding_zone") == "CZ"
        reason = pl.when(is_czech).then(pl.lit("a price in CZK, not EUR"))
        return EXAMPLE.parse(messages).with_columns(refused=reason)

    messages = [
        example_message([("CZ", 0, 9_999.0), ("DE-LU", 0, 1.0)]),
        example_message([("DE-LU", 1, 9_999.0), ("DE-LU", 2, 2.0)], offset=1),
    ]
    checked = check_messages(replace(EXAMPLE, parse=parse), messages)
    assert prices(checked.rows) == [1.0, 2.0]
    part, failed = checked.quarantined.to_dicts()
    assert (part["check"], part["reason"]) == (PART, "a price in CZK, not EUR")
    assert '"price_eur_per_mwh":9999.0' in part["row"]
    assert (failed["check"], failed["landing_offset"]) == ("less_than_or_equal_to(5000)", 1)
    assert checked.unparsed == 0


def test_a_parser_that_panics_fails_its_message_alone() -> None:
    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        if any(message.body == b"poison" for message in messages):
            pl.Series([2**62], dtype=INSTANT).max()
        return EXAMPLE.parse(messages)

    messages = [example_message(b"poison"), example_message([("CZ", 1, 1.0)], offset=1)]
    checked = check_messages(replace(EXAMPLE, parse=parse), messages)
    assert checked.rows["landing_offset"].to_list() == [1]
    assert checked.unparsed == 1


def test_an_instant_that_no_calendar_has_is_refused() -> None:
    def parse(messages: Sequence[RawMessage]) -> pl.DataFrame:
        far = pl.col("delivery_start") + pl.lit(2**62, dtype=pl.Duration("us"))
        return EXAMPLE.parse(messages).with_columns(delivery_end=far)

    checked = check_messages(replace(EXAMPLE, parse=parse), [example_message([("CZ", 1, 1.0)])])
    assert checked.rows.is_empty()
    [check] = checked.quarantined["check"]
    assert "instants_are_of_our_time" in check


@pytest.mark.parametrize("verdict", [split, split_by_pandera])
@pytest.mark.parametrize("microseconds", [2**58, 2**62])
def test_an_instant_that_python_has_no_date_for_costs_no_other_row(
    verdict: Callable[[MarketSource, pl.DataFrame], Split], microseconds: int
) -> None:
    message = example_message([("CZ", 1, 1.0), ("DE-LU", 1, 2.0), ("DE-LU", 2, 3.0)])
    rows = check_messages(EXAMPLE, [message]).rows
    price = pl.col("price_eur_per_mwh")
    far = pl.col("delivery_start") + pl.lit(microseconds, dtype=pl.Duration("us"))
    rows = rows.with_columns(
        delivery_end=pl.when(price == 1).then(far).otherwise("delivery_end"),
        price_eur_per_mwh=pl.when(price == 3).then(9_999.0).otherwise(price),
    )
    found = verdict(EXAMPLE, rows)
    assert prices(found.passing) == [2.0]
    assert found.failing["price_eur_per_mwh"].to_list() == [1.0, 9_999.0]
    assert "instants_are_of_our_time" in found.failing["check"][0]
    assert found.failing["check"][1] == "less_than_or_equal_to(5000)"


def test_no_message_gives_empty_frames_of_the_right_columns() -> None:
    checked = check_messages(EXAMPLE, [])
    assert checked.rows.schema == EXAMPLE.dtypes
    assert checked.quarantined.is_empty()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.lists(
                st.tuples(
                    st.sampled_from(["CZ", "DE-LU", "XX"]),
                    st.integers(0, 95),
                    st.one_of(st.none(), st.floats(-9e3, 9e3)),
                ),
                max_size=5,
            ),
        ),
        max_size=8,
    )
)
def test_every_row_ends_up_on_one_side(
    bodies: list[bytes | list[tuple[str, int, float | None]]],
) -> None:
    messages = [example_message(body, offset=offset) for offset, body in enumerate(bodies)]
    checked = check_messages(EXAMPLE, messages)
    sent = [row for body in bodies if isinstance(body, list) for row in body]
    refused = checked.quarantined.filter(checked.quarantined["check"] != UNPARSED)
    assert checked.rows.height + refused.height == len(sent)
    good = [row for row in sent if row[0] != "XX" and (row[2] is None or -500 <= row[2] <= 5000)]
    assert checked.rows.height == len(good)
