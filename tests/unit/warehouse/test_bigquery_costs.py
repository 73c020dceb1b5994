"""The costs that the guide to BigQuery states follow from the sensors' pace and its own columns."""

import re

import pytest

from energy_platform.market.registry import market_sources
from energy_platform.operations.supervision.plan import PROJECT
from resources import sensor_pace

SOURCES = len(market_sources())
DAY_SECONDS = 86_400
MONTH_DAYS = 30
USD_A_TB_READ = 1.10
HEAD = "| source | batches a day | rows a day | bytes a batch | TB a month | USD a month |"


def guide() -> str:
    return (PROJECT / "docs" / "bigquery.md").read_text()


def rows() -> list[list[str]]:
    """Return the cells of the table of what batches would read."""
    lines = guide().split(HEAD)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(text: str) -> float:
    return float(text.replace(",", "").split()[0])


def named(name: str) -> list[str]:
    [row] = [row for row in rows() if row[0].startswith(name)]
    return row


def batches_a_day(row: list[str]) -> float:
    """Return the batches of all sources of a row, some of which are given for each."""
    each = re.match(r"\d+(?= \D)", row[0]) if "each" in row[1] else None
    return number(row[1]) * (int(each[0]) if each else 1)


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[0]))
def test_bytes_and_prices_follow_from_the_batches(row: list[str]) -> None:
    _, _, _, batch, read, price = row
    terabytes = batches_a_day(row) * number(batch) * MONTH_DAYS / 1e6
    assert number(read) == pytest.approx(terabytes, abs=0.5)
    assert number(price) == pytest.approx(terabytes * USD_A_TB_READ, abs=0.5)


def test_the_guide_counts_the_sources_that_there_are() -> None:
    each = [re.match(r"\d+(?= \D)", row[0]) for row in rows() if not row[0].startswith("all")]
    assert sum(int(one[0]) if one else 1 for one in each) == SOURCES


@pytest.mark.parametrize(
    ("name", "sources"), [("order book", 1), ("trades", 1), (f"all {SOURCES}", SOURCES)]
)
def test_the_busiest_have_a_batch_at_each_look_of_the_sensors(name: str, sources: int) -> None:
    row = named(name)
    assert row[0].endswith(f"each {sensor_pace.SECONDS} s")
    assert number(row[1]) == sources * DAY_SECONDS / sensor_pace.SECONDS


def test_the_ledger_has_a_record_for_each_batch() -> None:
    batches = sum(batches_a_day(row) for row in rows() if not row[0].startswith("all"))
    assert f"({batches:,.0f} batches, " in guide()
    assert f"| {batches:,.0f} x {MONTH_DAYS} records of 0.3 kB" in guide()
    assert f"2 x {batches:,.0f} x {MONTH_DAYS} x 10 MB" in guide()
