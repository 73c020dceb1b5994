"""A row of which a newer value was refused says so where it stands, on pages and in the API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, NamedTuple

import polars as pl
import pytest

from energy_platform.dashboard.marks import Quarantine, Standing, marks
from energy_platform.market.registry import market_source
from tests.support.dashboard import Desk, Page, Row

QUARTER = timedelta(minutes=15)
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)


def load(mw: float, quarter: int) -> pl.DataFrame:
    at = START + quarter * QUARTER
    return pl.DataFrame({"delivery_start": [at], "delivery_end": [at + QUARTER], "load_mw": [mw],
                         "load_including_pumping_mw": [1.0]})  # fmt: skip


def price(value: float, quarter: int, zone: str = "FR") -> pl.DataFrame:
    at = START + quarter * QUARTER
    return pl.DataFrame({"bidding_zone": [zone], "delivery_start": [at],
                         "delivery_end": [at + QUARTER], "price_eur_per_mwh": [value]})  # fmt: skip


@cache
def minute_of_test() -> datetime:
    """Return a moment a minute before a test began; the panel of frequencies has 15 minutes."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _another_test() -> None:
    minute_of_test.cache_clear()


def frequency(hz: float, second: int) -> pl.DataFrame:
    at = minute_of_test() + timedelta(seconds=second)
    return pl.DataFrame({"observed_at": [at], "region": ["DE-Freiburg"], "frequency_hz": [hz]})


def elexon(hz: float, second: int) -> pl.DataFrame:
    return frequency(hz, 15 * second).drop("region")


Making = Callable[[float, int], pl.DataFrame]


class Case(NamedTuple):
    """A topic of a source, and values of which a check refuses the second."""

    topic: str
    source: str
    rows: Making
    good: float
    bad: float


CASES = [
    Case("source:ceps_load", "ceps_load", load, 30.0, 40_000.0),
    Case("source:energy_charts_price", "energy_charts_price", price, 50.0, 1e7),
    Case("source:energy_charts_frequency", "energy_charts_frequency", frequency, 50.0, 70.0),
    Case("frequency:CE", "energy_charts_frequency", frequency, 50.0, 70.0),
    Case("frequency:GB", "elexon_frequency", elexon, 50.0, 7.0),
]


def flags(page: Page, topic: str) -> list[object]:
    return [row.get("flags") for row in page.rows.get(topic, {}).values()]


def has_flags(page: Page, topic: str, *expected: object) -> bool:
    return flags(page, topic) == list(expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.topic)
@pytest.mark.parametrize("later", [0, 1])
def test_a_refused_value_marks_the_row_that_stands(desk: Desk, case: Case, later: int) -> None:
    """The refused value is of the same moment, or of the next one, which has no row."""
    topic, source, rows, good, bad = case
    desk.store(source, rows(good, 0))
    with desk.page(**{topic: None}) as page:
        page.until(partial(has_flags, page, topic, None))
        [reason] = desk.refuse(source, rows(bad, later))
        page.until(partial(has_flags, page, topic, ["quarantined"]))
        [row] = page.rows[topic].values()
        assert row["quarantine"]["reason"] == reason
        assert row["quarantine"]["at"] > row["received_at"]
        # A good value after it takes the mark away from what stands now.
        desk.store(source, rows(good + 0.01, 2))
        expected: list[object] = [None] if topic.startswith("source:") else [["quarantined"], None]
        page.until(partial(has_flags, page, topic, *expected))
    latest = desk.get(f"/api/latest/{source}", flags=1).json()["rows"]
    assert [row["flags"] for row in latest] == [[]]


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.topic)
def test_the_api_says_what_is_revised_and_what_was_refused(desk: Desk, case: Case) -> None:
    _, source, rows, good, bad = case
    for value, quarter in ((good, 0), (good, 1), (good + 1, 1), (good, 2)):
        desk.store(source, rows(value, quarter))
    [reason] = desk.refuse(source, rows(bad, 2))
    query: dict[str, Any] = {"start": START.isoformat(), "flags": 1}
    said = desk.get(f"/api/range/{source}", **query).json()["rows"]
    assert [row["flags"] for row in said] == [[], ["revised"], ["quarantined"]]
    assert [row["quarantine_reason"] for row in said] == [None, None, reason]
    [latest] = desk.get(f"/api/latest/{source}", flags=1).json()["rows"]
    assert (latest["flags"], latest["quarantine_reason"]) == (["quarantined"], reason)
    text = desk.get(f"/api/range/{source}", format="csv", **query).text
    assert ",revised," in text.splitlines()[2]
    # Before the value was refused, nobody knew of it.
    before = said[2]["received_at"]
    known = desk.get(f"/api/range/{source}", as_of=before, **query).json()["rows"]
    assert [row["flags"] for row in known] == [[], ["revised"], []]
    assert (
        "flags" not in desk.get(f"/api/range/{source}", start=START.isoformat()).json()["rows"][0]
    )


def test_another_series_is_not_marked(desk: Desk) -> None:
    desk.store("energy_charts_price", price(50.0, 0, "FR"))
    desk.store("energy_charts_price", price(50.0, 0, "BE"))
    desk.refuse("energy_charts_price", price(1e7, 0, "FR"))
    latest = desk.get("/api/latest/energy_charts_price", flags=1).json()["rows"]
    assert {row["bidding_zone"]: row["flags"] for row in latest} == {
        "FR": ["quarantined"], "BE": [],
    }  # fmt: skip


def test_a_quarantine_is_read_once_until_it_changes(desk: Desk) -> None:
    desk.store("ceps_load", load(1.0, 0))
    desk.refuse("ceps_load", load(40_000.0, 0))
    quarantine = Quarantine(desk.batches.warehouse)
    first = quarantine.of("ceps_load")
    assert first.height == 1
    assert quarantine.of("ceps_load") is first


AT = datetime(2026, 3, 1, tzinfo=UTC)
OUTAGES = Standing.of(market_source("entsoe_load"))


def stated(**said: Any) -> pl.DataFrame:
    line: Row = {"bidding_zone": None, "resolution": None, "reason": "r", "check": "c",
                 "at": AT + QUARTER, "landing_offset": 1, "moment": AT, **said}  # fmt: skip
    instant = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        [line],
        schema_overrides={"bidding_zone": pl.String, "resolution": pl.String, "at": instant,
                          "moment": instant},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "marked"),
    [
        ({"bidding_zone": "FR", "resolution": "PT15M"}, ["FR PT15M"]),
        # What a refused row does not state may be any; what states nothing is about no row.
        ({"bidding_zone": "FR"}, ["FR PT15M", "FR PT60M"]),
        ({}, []),
        ({"bidding_zone": "FR", "resolution": "PT15M", "moment": None}, ["FR PT15M"]),
        ({"bidding_zone": "FR", "resolution": "PT15M", "moment": AT - QUARTER}, []),
        ({"bidding_zone": "FR", "resolution": "PT15M", "at": AT}, []),
        ({"bidding_zone": "FR", "moment": AT + 40 * QUARTER}, []),
    ],
)
def test_which_rows_a_refused_value_is_about(said: Row, marked: list[str]) -> None:
    series = [("FR", "PT15M"), ("FR", "PT60M"), ("BE", "PT15M")]
    rows = pl.DataFrame(
        [{"bidding_zone": zone, "resolution": resolution, "delivery_start": AT, "received_at": AT}
         for zone, resolution in series]
    )  # fmt: skip
    found = marks(rows, stated(**said), OUTAGES, AT + QUARTER * 20)
    numbers = sorted(found["_row"].to_list()) if found.height else []
    assert [" ".join(series[number]) for number in numbers] == marked
