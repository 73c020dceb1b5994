"""Rows are chosen, counted before they are read, read in slices, and found by their newest."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import Any

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import TooManyRowsError, UsageError
from energy_platform.reading.asking import Asked
from energy_platform.reading.loading import Loading
from energy_platform.reading.place import StoredTables
from energy_platform.reading.platform import here
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

PRICES = "energy_charts_price"
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def price(zone: str, hour: int, value: float, **about: Any) -> dict[str, Any]:
    return {
        "bidding_zone": zone,
        "delivery_start": START + hour * HOUR,
        "delivery_end": START + (hour + 1) * HOUR,
        "price_eur_per_mwh": value,
        "received_at": START - timedelta(days=1),
        **about,
    }


@pytest.fixture(autouse=True)
def _prices(home: object) -> None:
    del home
    rows = [price(zone, hour, float(hour)) for hour in range(48) for zone in ("AT", "FR")]
    store(PRICES, [*rows, price("FR", 3, 99.0), price("FR", 90, 7.0)])


def test_columns_rows_and_the_first_of_them() -> None:
    chosen = ep.load(
        PRICES, columns=["price_eur_per_mwh", "bidding_zone"], where={"bidding_zone": "FR"}
    )
    assert chosen.columns == ["price_eur_per_mwh", "bidding_zone"]
    assert chosen["price_eur_per_mwh"].head(4).to_list() == [0.0, 1.0, 2.0, 99.0]
    assert chosen["bidding_zone"].unique().to_list() == ["FR"]
    assert ep.load(PRICES, limit=3)["bidding_zone"].to_list() == ["AT", "FR", "AT"]
    both = ep.load(PRICES, where={"bidding_zone": ["AT", "FR"]}, end=START + HOUR)
    assert both.height == 2


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"columns": ["price"]}, "did you mean price_eur_per_mwh"),
        ({"where": {"zone": "FR"}}, "did you mean bidding_zone"),
        ({"where": {"bidding_zone": "FRA"}}, "did you mean FR"),
        ({"where": {"price_eur_per_mwh": "high"}}, "price_eur_per_mwh is Float64"),
    ],
)
def test_a_wish_that_cant_be_met_names_near_ones(wrong: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        ep.load(PRICES, **wrong)


def test_the_columns_of_a_clock_can_be_chosen_where_it_is_asked() -> None:
    asked = ep.load(PRICES, columns=["known_at", "known_basis"], known="published", limit=1)
    assert asked.columns == ["known_at", "known_basis"]
    with pytest.raises(UsageError, match="no column 'known_at'"):
        ep.load(PRICES, columns=["known_at"])


@pytest.mark.parametrize("name", ["load", "aload", "batches", "estimate", "values", "sql"])
def test_a_call_that_passes_arguments_on_names_them(name: str) -> None:
    passed_on = set(signature(ep.scan).parameters) - {"name"}
    assert passed_on == set(Asked.__annotations__)
    assert passed_on <= set(signature(getattr(ep, name)).parameters)


def test_a_value_that_was_not_known_yet_is_no_error() -> None:
    early: dict[str, Any] = {"as_of": START - timedelta(days=2)}
    store(PRICES, [price("DE-LU", 0, 1.0, received_at=START)])
    assert ep.load(PRICES, where={"bidding_zone": "DE-LU"}, as_of=START - HOUR).is_empty()
    assert ep.load(PRICES, where={"bidding_zone": "FR"}, **early).is_empty()


def test_a_window_without_rows_is_empty_whatever_is_wanted_of_it() -> None:
    assert ep.load(PRICES, where={"bidding_zone": "FR"}, start=START + 999 * HOUR).is_empty()


def test_rows_are_counted_before_they_are_read() -> None:
    asked: dict[str, Any] = {"where": {"bidding_zone": "FR"}, "end": START + 4 * HOUR}
    counted = ep.estimate(PRICES, count=True, **asked)
    assert counted.rows == 4
    assert counted.bytes > counted.rows
    assert ep.load(PRICES, max_rows=97).height == 97
    with pytest.raises(TooManyRowsError, match="97 rows"):
        ep.load(PRICES, max_rows=96)


def test_an_estimate_reads_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    later = [price("FR", 500 + hour, 1.0) for hour in range(3)]
    store(PRICES, later)
    files = [*(here.place.home / "warehouse" / PRICES).glob("*.parquet")]
    for read in ("answer", "scan"):
        monkeypatch.setattr(StoredTables, read, None)  # whoever reads fails
    whole = ep.estimate(PRICES)
    assert whole.rows == 98 + 3
    assert whole.read_bytes == sum(file.stat().st_size for file in files)
    some = ep.estimate(PRICES, start=START + 500 * HOUR)
    assert some.rows == 3
    assert some.read_bytes in {file.stat().st_size for file in files}
    assert ep.estimate(PRICES, as_of=START - timedelta(days=2)).rows == 0
    assert ep.estimate(PRICES, end=START - HOUR).rows == 0
    narrow = ep.estimate(PRICES, columns=["price_eur_per_mwh"])
    assert narrow.rows == whole.rows
    assert narrow.bytes < whole.bytes
    assert ep.estimate("smard_price", missing="empty").rows == 0


def test_rows_are_not_counted_where_there_can_be_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    monkeypatch.setattr(Loading, "_count", lambda _, wanted: counted.append(wanted))
    assert ep.load(PRICES, max_rows=98).height == 97
    assert not counted


@pytest.mark.parametrize("rows", [1, 5, 40, 1_000])
def test_batches_are_the_whole_in_order(rows: int) -> None:
    frames = list(ep.batches(PRICES, rows=rows))
    assert all(0 < frame.height <= rows for frame in frames)
    assert pl.concat(frames).equals(ep.load(PRICES))


def test_a_load_with_a_bar_is_the_same_load() -> None:
    assert ep.load(PRICES, progress=True).equals(ep.load(PRICES))


def test_a_load_beside_other_coroutines() -> None:
    async def both() -> tuple[pl.DataFrame, pl.DataFrame]:
        return await asyncio.gather(ep.aload(PRICES, limit=1), ep.aload(PRICES))

    first, whole = asyncio.run(both())
    assert first.equals(whole.head(1))


def test_the_newest_row_of_each_series() -> None:
    newest = ep.latest(PRICES)
    assert newest["bidding_zone"].to_list() == ["AT", "FR"]
    assert newest["price_eur_per_mwh"].to_list() == [47.0, 7.0]
    assert ep.latest(PRICES, where={"bidding_zone": "AT"})["price_eur_per_mwh"].to_list() == [47.0]
    for hour in (HOUR, "1h"):
        assert ep.latest(PRICES, within=hour)["bidding_zone"].to_list() == ["FR"]
    with pytest.raises(UsageError, match="did you mean AT"):
        ep.latest(PRICES, where={"bidding_zone": "ATT"})


def test_values_with_how_often_and_when() -> None:
    found = ep.values(PRICES, "bidding_zone")
    assert found.rows() == [
        ("FR", 49, START, START + 90 * HOUR),
        ("AT", 48, START, START + 47 * HOUR),
    ]
    with pytest.raises(UsageError, match="bidding_zone"):
        ep.values(PRICES, "bidding_zon")


def test_a_card_says_what_is_stored() -> None:
    card = ep.describe(PRICES)
    assert card.rows == 98
    assert (card.first_at, card.last_at) == (START, START + 90 * HOUR)
    assert card.resolution == HOUR
    assert card.late_since is not None
    assert eval(card.example, {"ep": ep}).height == 1
    assert "price_eur_per_mwh [EUR/MWh]" in repr(card)
    assert "2026-03-01 00:00 UTC to 2026-03-04 18:00 UTC" in card._repr_html_()
    nothing = ep.describe("ote_day_ahead_price")
    assert "nothing yet" in repr(nothing)


def test_a_card_escapes_what_others_wrote() -> None:
    card = ep.describe(PRICES)
    evil = replace(card, dataset=replace(card.dataset, description="<script>alert(1)</script>"))
    assert "<script>" not in evil._repr_html_()
    assert "&lt;script&gt;" in evil._repr_html_()


def test_search_says_which_series_are_meant() -> None:
    [first, *_] = ep.search("nuclear france").to_dicts()
    assert first["name"] == "entsoe_generation"
    assert first["where"] == [
        {"column": "bidding_zone", "values": ["FR"]},
        {"column": "production_type", "values": ["Nuclear"]},
    ]
    assert ep.search("price", limit=2).height == 2
    assert ep.search("zzz").is_empty()
    assert "exaa_price_eur_per_mwh" in ep.search("exaa")["columns"][0]


def test_the_example_of_a_search_runs() -> None:
    [example] = ep.search("energy-charts price france", limit=1)["example"]
    found = eval(example, {"ep": ep})
    assert found["bidding_zone"].unique().to_list() == ["FR"]
