"""A kept answer is that of the table as it is, within a bound, and of one platform alone."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.errors import UsageError
from energy_platform.reading.cache import Cache
from energy_platform.reading.dataset import dataset
from energy_platform.reading.place import StoredTables
from energy_platform.reading.rows import Rows
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse
from tests.support.bigquery_server import PROJECT, BigQueryServer
from tests.support.questions import HOUR, NOON, PRICES, QUESTIONS, fill_home, whole

TABLE = dataset(PRICES).table
ASKED: dict[str, Any] = {"where": {"bidding_zone": "FR"}, "end": NOON + 4 * HOUR}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return fill_home(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tables that were read."""
    names: list[str] = []
    scan = Rows.scan

    def counted(self: Rows, name: str, **asked: Any) -> pl.LazyFrame:
        names.append(name)
        return scan(self, name, **asked)

    monkeypatch.setattr(Rows, "scan", counted)
    return names


def one_more(warehouse: Warehouse, price: float) -> None:
    """Commit one correction of the first price of FR."""
    offset = warehouse.position(TABLE).offset
    row = whole(PRICES).filter(bidding_zone="FR").head(1)
    later = pl.col("received_at") + timedelta(days=offset)
    corrected = row.with_columns(
        later, price_eur_per_mwh=pl.lit(price), landing_offset=pl.lit(offset, dtype=pl.Int64)
    )
    warehouse.commit(TABLE, corrected, start=offset, stop=offset + 1)


def first_price(desk: ep.Platform) -> float:
    return float(desk.load(PRICES, **ASKED)["price_eur_per_mwh"][0])


def test_a_table_is_read_once_until_it_changes(place: Path, folder: Path, scans: list[str]) -> None:
    desk = ep.connect(place, cache=folder)
    first = desk.load(PRICES, **ASKED)
    assert scans == [PRICES]
    assert_frame_equal(desk.load(PRICES, **ASKED), first)
    assert_frame_equal(ep.connect(place, cache=folder).load(PRICES, **ASKED), first)
    assert scans == [PRICES]
    assert_frame_equal(ep.connect(place).load(PRICES, **ASKED), first)
    assert scans == [PRICES, PRICES]


def test_a_commit_is_always_seen(place: Path, folder: Path) -> None:
    desk, warehouse = ep.connect(place, cache=folder), DeltaWarehouse(place / "warehouse")
    for price in (100.0, 200.0, 100.0):
        one_more(warehouse, price)
        assert [first_price(desk), first_price(desk)] == [price, price]
    warehouse.maintain([TABLE])
    assert first_price(desk) == 100.0


def test_a_commit_to_bigquery_is_seen(
    emulator: BigQueryServer,
    clients: Clients,
    folder: Path,
    scans: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR", emulator.address)
    monkeypatch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR_GRPC", emulator.grpc_address)
    warehouse = BigQueryWarehouse(clients)
    warehouse.commit(TABLE, whole(PRICES), start=0, stop=192)
    where = f"bigquery://{PROJECT}/{clients.dataset.dataset_id}"
    desk = ep.connect(where, cache=folder)
    assert [first_price(desk), first_price(desk)] == [1.0, 1.0]
    assert scans == [PRICES]
    one_more(warehouse, 100.0)
    assert first_price(desk) == 100.0


def test_a_copy_that_goes_its_own_way_is_another_platform(place: Path, folder: Path) -> None:
    copy = place.with_name("copy")
    shutil.copytree(place, copy)
    for home, price in ((place, 1_000.0), (copy, 2_000.0)):
        one_more(DeltaWarehouse(home / "warehouse"), price)
    desks = [ep.connect(home, cache=folder) for home in (place, copy)]
    assert [first_price(desk) for desk in [*desks, *desks]] == [1_000.0, 2_000.0] * 2


@pytest.mark.parametrize(
    "other",
    [
        {"where": {"bidding_zone": "DE-LU"}},
        {"where": {"bidding_zone": ["FR", "DE-LU"]}},
        {"end": NOON + 5 * HOUR},
        {"as_of": NOON - 10 * HOUR},
        {"as_of": HOUR},
        {"known": "published"},
        {"zone": "Europe/Berlin"},
        {"columns": ["price_eur_per_mwh"]},
        {"limit": 2},
    ],
)
def test_another_question_has_its_own_answer(
    other: dict[str, Any], place: Path, folder: Path
) -> None:
    desk, plain = ep.connect(place, cache=folder), ep.connect(place)
    desk.load(PRICES, **ASKED)
    asked = ASKED | other
    for _ in range(2):
        assert_frame_equal(desk.load(PRICES, **asked), plain.load(PRICES, **asked))


@pytest.mark.parametrize("name", ["aload", "frame", "load", "sql"])
def test_what_is_kept_is_what_is_read(
    name: str, place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, ask = ep.connect(place, cache=folder), QUESTIONS[name]
    first, plain = ask(desk), ask(ep.connect(place))
    for read in ("answer", "scan"):
        monkeypatch.setattr(StoredTables, read, None)  # whoever reads now fails
    again = ask(desk)
    assert_frame_equal(first, plain)
    assert_frame_equal(again, plain)


def test_a_value_that_no_row_has_is_refused_each_time(place: Path, folder: Path) -> None:
    desk = ep.connect(place, cache=folder)
    for _ in range(2):
        with pytest.raises(UsageError, match="did you mean FR"):
            desk.load(PRICES, where={"bidding_zone": "FRA"})


def test_the_folder_keeps_its_bound_and_what_was_used_last(
    place: Path, folder: Path, scans: list[str]
) -> None:
    desk = ep.connect(place, cache=folder)
    for limit in (46, 45, 44):
        assert desk.load(PRICES, limit=limit).height == limit
    each = max(file.stat().st_size for file in folder.glob("*.arrow"))
    bounded = ep.connect(place, cache=folder, cache_bytes=2 * each)
    for limit in (43, 42, 41, 42, 40):
        assert bounded.load(PRICES, limit=limit).height == limit
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 2 * each
    scans.clear()
    assert [bounded.load(PRICES, limit=limit).height for limit in (42, 40)] == [42, 40]
    assert scans == []
    tiny = ep.connect(place, cache=folder, cache_bytes=10)
    assert tiny.load(PRICES, limit=39).height == 39
    assert len(list(folder.glob("*.arrow"))) == 2


def test_processes_share_a_folder(place: Path, folder: Path) -> None:
    desk = ep.connect(place, cache=folder)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = [pool.submit(first_price, desk) for _ in range(4)]
        assert {one.result(120) for one in found} == {1.0}
    assert len(list(folder.glob("*.arrow"))) == 1


def test_a_broken_or_unfinished_file_is_no_answer(place: Path, folder: Path) -> None:
    desk = ep.connect(place, cache=folder)
    assert first_price(desk) == 1.0
    [kept] = folder.glob("*.arrow")
    kept.write_bytes(kept.read_bytes()[:100])
    left = folder / "killed.part"
    left.write_bytes(b"half of it")
    assert first_price(desk) == 1.0
    assert kept.stat().st_size > 100
    assert not left.exists()


def test_an_interrupted_write_leaves_nothing(
    place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = pl.DataFrame.write_ipc

    def interrupted(self: pl.DataFrame, file: Path, **how: Any) -> None:
        write(self, file, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(pl.DataFrame, "write_ipc", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ep.connect(place, cache=folder).load(PRICES)
    assert {file.name for file in folder.iterdir()} <= {"lock"}


def test_a_folder_that_takes_nothing_keeps_nothing(
    place: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = ep.connect(place, cache=folder)
    folder.write_text("in the way")
    assert first_price(desk) == 1.0
    assert "an answer is not kept in" in caplog.text
    for wrong in (folder, 5):
        with pytest.raises(UsageError, match="cache is a folder"):
            ep.connect(place, cache=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cache_bytes"):
        Cache.at("cache", 0)
