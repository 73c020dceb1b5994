"""Where the data are: a home, a folder of Delta tables, a bucket or a dataset."""

import os
import pickle
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

import energy_platform as ep
from energy_platform.errors import NeverStoredError, NoPlatformError, UsageError
from energy_platform.reading.dataset import dataset
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support.bigquery_server import PROJECT, BigQueryServer
from tests.support.cloud_storage_server import cloud_storage_server
from tests.support.feeds import free_ports
from tests.support.warehouses import rows

NAME = "ote_day_ahead_price"
TABLE = dataset(NAME).table
OTHER = "smard_price"


def some_rows(price: float) -> pl.DataFrame:
    return rows(TABLE, 0, 3, price=price)


def make_home(folder: Path, price: float = 1.0) -> Path:
    DeltaWarehouse(folder / "warehouse").commit(TABLE, some_rows(price), start=0, stop=3)
    return folder


def price_at(platform: ep.Platform) -> float:
    return float(platform.load(NAME)["price_eur_per_mwh"][0])


def tree(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(file), file.stat().st_mtime_ns) for file in folder.rglob("*"))


def test_several_platforms_are_asked_side_by_side(tmp_path: Path, home: Path) -> None:
    make_home(home, 3.0)
    one, two = (
        ep.connect(make_home(tmp_path / name, price)) for name, price in (("a", 1.0), ("b", 2.0))
    )
    assert [price_at(one), price_at(two), price_at(one)] == [1.0, 2.0, 1.0]
    assert ep.load(NAME)["price_eur_per_mwh"][0] == 3.0


def test_a_home_is_named_in_any_form(tmp_path: Path) -> None:
    home = make_home(tmp_path / "desk")
    for form in (home, str(home), home.as_uri()):
        assert price_at(ep.connect(form)) == 1.0


def test_a_folder_of_tables_needs_no_landing_zone(tmp_path: Path) -> None:
    make_home(tmp_path)
    assert price_at(ep.connect(tmp_path / "warehouse")) == 1.0


def test_a_tilde_is_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make_home(tmp_path / "desk")
    assert price_at(ep.connect("~/desk")) == 1.0
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", "~/desk")
    assert price_at(ep.connect()) == 1.0


@pytest.mark.usefixtures("home")
def test_a_variable_that_is_changed_later_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, price in (("a", 1.0), ("b", 2.0)):
        monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(make_home(tmp_path / name, price)))
        assert ep.load(NAME)["price_eur_per_mwh"][0] == price


def test_a_folder_stays_the_same_one_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path / "desk")
    monkeypatch.chdir(tmp_path)
    platform = ep.connect("desk")
    monkeypatch.chdir("/")
    assert price_at(platform) == 1.0


def test_where_no_platform_is_the_error_names_the_place_and_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "else").mkdir()
    with pytest.raises(NoPlatformError, match=rf"no platform in {tmp_path}/else \(as `where` says"):
        ep.connect("else")
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(tmp_path / "gone"))
    with pytest.raises(NoPlatformError, match=rf"{tmp_path}/gone \(as ENERGY_PLATFORM_HOME says"):
        ep.load(NAME)
    monkeypatch.delenv("ENERGY_PLATFORM_HOME")
    with pytest.raises(NoPlatformError, match=rf"{tmp_path}/.energy_platform \(the default"):
        ep.load(NAME, missing="empty")
    assert [file.name for file in tmp_path.iterdir()] == ["else"]


@pytest.mark.parametrize("where", ["https://desk.example.com", "bigquery://project", "ftp://a/b"])
def test_an_address_of_no_platform_is_refused(where: str) -> None:
    with pytest.raises(UsageError, match="bigquery://project/dataset"):
        ep.connect(where)


def test_a_table_that_was_never_stored_is_no_empty_one(tmp_path: Path) -> None:
    platform = ep.connect(make_home(tmp_path))
    for name in (OTHER, "residual_load"):
        with pytest.raises(NeverStoredError, match=rf"{name} was never stored in {tmp_path}"):
            platform.load(name)
        nothing = platform.load(name, missing="empty")
        assert nothing.is_empty()
        assert nothing.columns == list(dataset(name).dtypes)


def test_what_a_missing_table_is_has_two_answers(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='"raise" or "empty"'):
        ep.connect(make_home(tmp_path)).load(NAME, missing="ignore")  # type: ignore[arg-type]


def test_reading_creates_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path / "desk")
    before = tree(tmp_path)
    for folder in (home, home / "warehouse"):
        platform = ep.connect(folder)
        assert price_at(platform) == 1.0
        assert platform.load(OTHER, missing="empty").is_empty()
    platform = ep.connect(home)
    assert platform.batch_history().is_empty()
    assert not platform.catalog().is_empty()
    assert tree(tmp_path) == before


def test_a_platform_and_its_frames_go_to_other_processes(tmp_path: Path) -> None:
    platform = ep.connect(make_home(tmp_path))
    assert pickle.loads(pickle.dumps(platform)) == platform
    frame = platform.scan(NAME, as_of="D-1 12:00 Europe/Prague")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(price_at, platform).result(60) == 1.0
        assert pool.submit(pl.LazyFrame.collect, frame).result(60).equals(frame.collect())


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server in a process of its own."""
    [port] = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "moto.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _make_bucket(f"{address}/bucket", process)
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "reader",
            "AWS_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield "s3://bucket/desk"
    finally:
        process.kill()
        process.wait(30)


def _make_bucket(address: str, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("moto's server did not start")


def assert_is_read(where: str) -> None:
    """Read a Delta root at an address that has one table."""
    platform = ep.connect(where)
    assert price_at(platform) == 1.0
    assert platform.scan(NAME).filter(price_eur_per_mwh=2.0).collect().is_empty()
    with pytest.raises(NeverStoredError, match=f"{OTHER} was never stored in {where}"):
        platform.load(OTHER)
    assert platform.load(OTHER, missing="empty").is_empty()
    with pytest.raises(NoPlatformError, match=f"{where}/elsewhere"):
        ep.connect(f"{where}/elsewhere").load(NAME)
    assert pickle.loads(pickle.dumps(platform.scan(NAME))).collect().height == 3


def test_tables_in_s3_are_read(s3: str) -> None:
    write_deltalake(f"{s3}/{NAME}", some_rows(1.0))
    assert_is_read(s3)


def test_tables_in_cloud_storage_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloud_storage_server(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        where = server.new_url()
        write_deltalake(f"{where}/{NAME}", some_rows(1.0))
        assert_is_read(where)


def test_a_dataset_of_bigquery_is_read(
    emulator: BigQueryServer, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR", emulator.address)
    monkeypatch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR_GRPC", emulator.grpc_address)
    where = f"bigquery://{PROJECT}/{clients.dataset.dataset_id}"
    with pytest.raises(NoPlatformError, match=where):
        ep.connect(where).load(NAME)
    BigQueryWarehouse(clients).commit(TABLE, some_rows(1.0), start=0, stop=3)
    platform = ep.connect(where)
    assert price_at(platform) == 1.0
    with pytest.raises(NeverStoredError, match=OTHER):
        platform.load(OTHER)
    assert pickle.loads(pickle.dumps(platform)) == platform
    assert "ENERGY_PLATFORM_WAREHOUSE" not in os.environ
