"""SQL reads the platform's tables, and nothing else."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import energy_platform as ep
from energy_platform.errors import (
    MissingExtraError,
    TooManyRowsError,
    UnknownSourceError,
    UsageError,
)
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

PRICES = "energy_charts_price"
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _prices(home: object) -> None:
    del home
    store(
        PRICES,
        [
            {
                "bidding_zone": zone,
                "delivery_start": START,
                "delivery_end": START + HOUR,
                "price_eur_per_mwh": value,
                "received_at": START + late * HOUR,
            }
            for zone, value, late in [("FR", 1.0, 0), ("AT", 2.0, 0), ("FR", 3.0, 2)]
        ],
    )


def test_a_query_over_the_latest_rows_or_those_of_a_moment() -> None:
    query = f"select max(price_eur_per_mwh) as top, min(delivery_start) as at from {PRICES}"
    assert ep.sql(query).rows() == [(3.0, START)]
    assert ep.sql(query, as_of=START + HOUR)["top"].to_list() == [2.0]


def test_tables_are_joined() -> None:
    store("ote_day_ahead_price", [])
    joined = ep.sql(
        f"with few as (select 1 as one) select a.bidding_zone from {PRICES} a"
        " left join ote_day_ahead_price b"
        " using (delivery_start), few where b.price_eur_per_mwh is null order by 1"
    )
    assert joined["bidding_zone"].to_list() == ["AT", "FR"]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "copy (select 1) to '{file}'",
        "create table x as select 1",
        "set enable_external_access = true",
        "attach '{file}'",
        "select 1; select 2",
        "selec 1",
    ],
)
def test_a_query_reads_no_file_and_writes_nothing(query: str, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        ep.sql(query.format(file=file))
    assert file.read_text() == "a,b\n1,2\n"


def test_an_unknown_table_names_near_ones() -> None:
    with pytest.raises(UnknownSourceError, match=PRICES):
        ep.sql("select * from energy_charts_prices")


def test_a_table_that_is_too_large_is_not_read() -> None:
    with pytest.raises(TooManyRowsError):
        ep.sql(f"select 1 from {PRICES}", max_rows=1)


def test_without_duckdb_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match="notebook"):
        ep.sql("select 1")
