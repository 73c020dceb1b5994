"""Recorded replies of SMARD and Elexon, where they are at hand."""

from datetime import UTC, datetime

import polars as pl
import pytest

from energy_platform.formats import smard
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.sources.elexon_frequency import ELEXON_FREQUENCY
from energy_platform.sources.elexon_generation import ELEXON_GENERATION
from energy_platform.sources.elexon_system_price import ELEXON_SYSTEM_PRICE
from energy_platform.sources.smard_generation import SMARD_GENERATION
from energy_platform.sources.smard_price import SMARD_PRICE
from tests.recorded.manifest import FOLDER, needs_recorded

PAYLOADS = FOLDER
ELEXON = [ELEXON_FREQUENCY, ELEXON_GENERATION, ELEXON_SYSTEM_PRICE]

pytestmark = needs_recorded


def checked(source: MarketSource, path: str) -> CheckedRows:
    file = PAYLOADS / path
    context = {**source.context, "file_name": file.name}
    message = RawMessage(
        body=file.read_bytes(), received_at=datetime.now(UTC), context=context, landing_offset=0
    )
    return check_messages(source, [message])


@pytest.mark.parametrize(
    ("name", "rows", "first", "price"),
    [
        ("hour_1711321200000", 167, datetime(2024, 3, 24, 23, tzinfo=UTC), 62.51),
        ("hour_1729461600000", 169, datetime(2024, 10, 20, 22, tzinfo=UTC), None),
        ("quarterhour_1711321200000", 668, datetime(2024, 3, 24, 23, tzinfo=UTC), 62.51),
        ("quarterhour_1729461600000", 676, datetime(2024, 10, 20, 22, tzinfo=UTC), -0.1),
    ],
)
def test_every_slot_of_a_week_with_a_clock_change_is_read(
    name: str, rows: int, first: datetime, price: float | None
) -> None:
    result = checked(SMARD_PRICE, f"smard/4169_DE_{name}.json")
    assert result.quarantined.is_empty()
    assert result.rows.height == rows
    assert result.rows["delivery_start"].min() == first
    assert price is None or result.rows["price_eur_per_mwh"][0] == price
    follows = pl.col("delivery_end") == pl.col("delivery_start").shift(-1)
    assert result.rows.select(follows.drop_nulls().all()).item()


def test_quarter_hours_of_2024_repeat_their_hour() -> None:
    hours = checked(SMARD_PRICE, "smard/4169_DE_hour_1729461600000.json").rows
    quarters = checked(SMARD_PRICE, "smard/4169_DE_quarterhour_1729461600000.json").rows
    per_hour = quarters.group_by(
        pl.col("delivery_start").dt.truncate("1h"), maintain_order=True
    ).agg(pl.col("price_eur_per_mwh").unique())
    assert per_hour["price_eur_per_mwh"].to_list() == [
        [price] for price in hours["price_eur_per_mwh"]
    ]


@pytest.mark.parametrize("source", [SMARD_GENERATION, SMARD_PRICE], ids=lambda source: source.name)
@pytest.mark.parametrize("start", [1711321200000, 1711922400000, 1729461600000, 1730070000000])
def test_load_is_neither_generation_nor_a_price(source: MarketSource, start: int) -> None:
    result = checked(source, f"smard/410_DE_hour_{start}.json")
    assert result.rows.is_empty()
    (reason,) = result.quarantined["reason"]
    assert reason.startswith("filter 410 is no ")


@pytest.mark.parametrize(
    ("name", "files"), [("410_DE_index_hour", 16), ("4169_DE_index_quarterhour", 2)]
)
def test_an_index_lists_files_by_the_instants_at_which_they_begin(name: str, files: int) -> None:
    listed = smard.index((PAYLOADS / "smard" / f"{name}.json").read_bytes())
    assert len(listed) == files
    assert listed[0] == ("1711321200000", datetime(2024, 3, 24, 23, tzinfo=UTC))


def test_every_fuel_of_a_stream_is_read() -> None:
    result = checked(ELEXON_GENERATION, "elexon/fuelinst_stream_2024-02-12T1750Z.json")
    assert result.quarantined.is_empty()
    assert result.rows.height == result.rows["fuel_type"].n_unique() == 19
    assert set(result.rows["delivery_start"]) == {datetime(2024, 2, 12, 17, 45, tzinfo=UTC)}
    assert set(result.rows["published_at"]) == {datetime(2024, 2, 12, 17, 50, tzinfo=UTC)}
    by_fuel = dict(result.rows.select("fuel_type", "generation_mw").iter_rows())
    assert (by_fuel["BIOMASS"], by_fuel["CCGT"]) == (2249.0, 15842.0)


def test_samples_are_read() -> None:
    result = checked(ELEXON_FREQUENCY, "elexon/t_freq_2rows.json")
    assert result.quarantined.is_empty()
    assert result.rows["frequency_hz"].to_list() == [49.97, 50.017]
    assert result.rows["observed_at"][0] == datetime(2026, 5, 8, tzinfo=UTC)


def test_a_summer_day_of_settlement_starts_the_evening_before() -> None:
    result = checked(ELEXON_SYSTEM_PRICE, "elexon/t_system-prices_2026-05-06_2rows.json")
    assert result.quarantined.is_empty()
    assert result.rows["delivery_start"][0] == datetime(2026, 5, 5, 23, tzinfo=UTC)
    assert result.rows["settlement_period"].to_list() == [1, 2]
    assert result.rows["system_buy_price_gbp_per_mwh"].to_list() == [96.79, 97.02]


@pytest.mark.parametrize("source", ELEXON, ids=lambda source: source.name)
def test_other_replies_of_elexon_are_no_rows_and_say_why(source: MarketSource) -> None:
    empty = checked(source, "elexon/t_empty200.json")
    assert empty.rows.is_empty()
    assert empty.quarantined.is_empty()
    for path, says in (
        ("t_boalf_2026-05-06_2rows.json", "the reply is of BOALF"),
        ("t_error400_range.json", "must not exceed 1 day"),
    ):
        result = checked(source, f"elexon/{path}")
        assert result.rows.is_empty()
        (reason,) = result.quarantined["reason"]
        assert says in reason
