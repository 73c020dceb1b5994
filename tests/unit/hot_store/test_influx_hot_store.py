"""What InfluxDB adds to the promises: what it refuses, how it fails, and who may see a secret."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest

from energy_platform.errors import HotStoreUnavailableError, UsageError
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import HotStoreKind, InfluxApi, Settings
from energy_platform.storage.hot_store.influxdb.line_protocol import cut, not_null
from energy_platform.storage.hot_store.influxdb.server import InfluxServer, Login, Patience
from energy_platform.storage.hot_store.influxdb.store import OFFSETS, InfluxHotStore
from energy_platform.storage.hot_store.protocol import REASON
from tests.support.feeds import free_ports
from tests.support.hot_points import PRICES, point, points, put
from tests.support.influx_server import QUICK, InfluxProcess, influx_process


@pytest.fixture
def server(influx: InfluxProcess) -> Iterator[InfluxServer]:
    """The server, asked for a database that isn't there yet."""
    server = InfluxServer(influx.login(f"db_{uuid4().hex}"), days=14, patience=QUICK)
    yield server
    server.close()


@pytest.fixture
def store(server: InfluxServer, tmp_path: Path) -> InfluxHotStore:
    return InfluxHotStore(server, locks=tmp_path / "locks")


YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def lately(minutes: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a point of yesterday, which every retention holds."""
    return {**point(**fields), "delivery_start": YESTERDAY + timedelta(minutes=minutes)}


def test_points_beyond_the_retention_are_told_and_the_others_are_written(
    store: InfluxHotStore,
) -> None:
    old = [lately(n - 400 * 24 * 60, trades=n) for n in range(5)]
    new = [lately(n, trades=n) for n in range(5)]
    refused = store.write(PRICES, points(*old, *new), stop=1)
    assert refused.drop(REASON).equals(points(*old))
    assert refused[REASON].str.contains("beyond retention policy").all()
    assert store.read(PRICES).equals(points(*new))


def test_a_point_whose_field_is_of_another_type_there_is_told(
    store: InfluxHotStore, server: InfluxServer
) -> None:
    put(store, PRICES, points(lately()), stop=1)
    now = int(time.time() * 1e6)
    server.write(f'{PRICES.name},bidding_zone=X trades="many" {now}'.encode())
    good = [lately(n, price_eur_per_mwh=1.0) for n in range(20)]
    bad = [{**lately(trades=n), "delivery_start": datetime.now(UTC)} for n in range(1)]
    refused = store.write(PRICES, points(*good[:7], *bad, *good[7:]), stop=2)
    assert refused["trades"].to_list() == [0]
    assert "field type conflict" in refused[REASON][0]
    assert store.read(PRICES)["price_eur_per_mwh"].count() == 20


def test_each_of_many_refused_points_is_told_however_they_lie(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    few_series = {
        "INFLUXDB_DATA_INDEX_VERSION": "inmem",
        "INFLUXDB_DATA_MAX_VALUES_PER_TAG": "10",
    }
    with influx_process(tmp_path_factory.mktemp("limited"), few_series) as process:
        store = process.store("energy", locks=tmp_path)
        put(store, PRICES, points(*(point(zone=f"{n}", trades=-1) for n in range(10))), stop=1)
        mixed = [point(n + 1, zone=f"{n * 7 % 40}", trades=n) for n in range(200)]
        refused = store.write(PRICES, points(*mixed), stop=2)
        held = store.read(PRICES).filter(pl.col("trades") >= 0)
        assert refused[REASON].str.contains("max-values-per-tag").all()
        assert held["bidding_zone"].n_unique() == 10
        assert held.height == 50
        assert sorted([*held["trades"], *refused["trades"]]) == list(range(200))


def test_a_tag_that_has_no_line_is_told(store: InfluxHotStore) -> None:
    odd = [lately(zone=zone, trades=1) for zone in ("a\nb", "a\\", "\x7f")]
    refused = store.write(PRICES, points(*odd, lately(trades=1)), stop=1)
    assert refused["bidding_zone"].to_list() == ["a\nb", "a\\", "\x7f"]
    assert refused[REASON].str.contains("bidding_zone holds a control character").all()
    assert store.read(PRICES).height == 1


def test_the_database_has_the_retention_of_the_hot_days(
    store: InfluxHotStore, server: InfluxServer, influx: InfluxProcess, tmp_path: Path
) -> None:
    def retention() -> list[str]:
        policies = server.query(
            f'SHOW RETENTION POLICIES ON "{server._login.bucket}"',
            {"name": pl.String(), "duration": pl.String(), "default": pl.Boolean()},
        )
        return [*policies.filter(name="hot")["duration"]]

    put(store, PRICES, points(lately()), stop=1)
    assert retention() == ["336h0m0s"]
    longer = InfluxServer(server._login, days=30, patience=QUICK)
    put(InfluxHotStore(longer, locks=tmp_path), PRICES, points(lately(1)), stop=2)
    assert retention() == ["720h0m0s"]


def test_a_dashboard_can_leave_out_what_was_withdrawn(
    store: InfluxHotStore, server: InfluxServer
) -> None:
    put(store, PRICES, points(lately(trades=1), lately(1, trades=2)), stop=1)
    put(store, PRICES, points(lately(1, is_final=True)), stop=2)
    seen = server.query(
        f'SELECT "trades" FROM "{PRICES.name}" WHERE {not_null("trades")}', {"trades": pl.Int64()}
    )
    assert seen["trades"].to_list() == [1]


def test_a_database_that_was_there_before_keeps_its_own_policy(
    store: InfluxHotStore, server: InfluxServer
) -> None:
    database = server._login.bucket
    InfluxServer.query(server, f'CREATE DATABASE "{database}"', {})
    put(store, PRICES, points(lately(trades=1)), stop=1)
    assert store.read(PRICES)["trades"].to_list() == [1]


def test_a_database_that_is_dropped_is_made_again(
    store: InfluxHotStore, server: InfluxServer
) -> None:
    put(store, PRICES, points(lately(trades=1)), stop=1)
    server.query(f'DROP DATABASE "{server._login.bucket}"', {})
    assert store.committed_offset(PRICES) == 0
    assert store.read(PRICES).is_empty()
    put(store, PRICES, points(lately(trades=2)), stop=2)
    assert store.read(PRICES)["trades"].to_list() == [2]
    assert store.committed_offset(PRICES) == 2


def test_an_offset_costs_a_point_an_hour_at_most(
    store: InfluxHotStore, server: InfluxServer
) -> None:
    for stop in range(1, 8):
        put(store, PRICES, points(lately(trades=stop)), stop=stop)
    kept = server.query(f'SELECT "stop" FROM "{OFFSETS}"', {"time": pl.Int64(), "stop": pl.Int64()})
    assert kept.height <= 2
    assert store.committed_offset(PRICES) == 7


def test_a_statement_that_fails_is_no_empty_answer(server: InfluxServer) -> None:
    server.write(b"x v=1i 1795366382000000")
    with pytest.raises(HotStoreUnavailableError, match="error parsing query"):
        server.query("SELECT FROM nothing", {})


def test_a_server_that_is_away_is_left_alone_for_a_while(tmp_path: Path) -> None:
    [port] = free_ports(1)
    login = Login(url=f"http://127.0.0.1:{port}", api=InfluxApi.V1, bucket="energy")
    patience = Patience(connect_seconds=1, tries=1, first_pause_seconds=60)
    store = InfluxHotStore(InfluxServer(login, days=14, patience=patience), locks=tmp_path)
    with pytest.raises(HotStoreUnavailableError, match="does not answer"):
        store.committed_offset(PRICES)
    began = time.monotonic()
    for _ in range(1000):
        with pytest.raises(HotStoreUnavailableError, match="does not answer"):
            store.write(PRICES, points(point()), stop=1)
    assert time.monotonic() - began < 30


def test_a_password_that_is_wrong_is_told_and_not_shown(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with influx_process(
        tmp_path_factory.mktemp("closed"), {"INFLUXDB_HTTP_AUTH_ENABLED": "true"}
    ) as process:
        first = InfluxServer(process.login("energy"), days=14, patience=QUICK)
        first.query("CREATE USER desk WITH PASSWORD 'hunter2' WITH ALL PRIVILEGES", {})
        good = InfluxServer(process.login("energy", token="desk:hunter2"), days=14, patience=QUICK)
        put(InfluxHotStore(good, locks=tmp_path), PRICES, points(lately(trades=1)), stop=1)
        assert InfluxHotStore(good, locks=tmp_path).committed_offset(PRICES) == 1
        bad = InfluxServer(process.login("energy", token="desk:hunter3"), days=14, patience=QUICK)
        with pytest.raises(HotStoreUnavailableError, match="401") as told:
            InfluxHotStore(bad, locks=tmp_path).write(PRICES, points(lately()), stop=2)
    for text in (caplog.text, str(told.value), repr(good), repr(bad), repr(bad._login)):
        assert "hunter" not in text
        assert "aHVudGVy" not in text


def test_a_user_of_one_database_is_enough(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with influx_process(
        tmp_path_factory.mktemp("closed"), {"INFLUXDB_HTTP_AUTH_ENABLED": "true"}
    ) as process:
        first = InfluxServer(process.login("energy"), days=14, patience=QUICK)
        first.query("CREATE USER admin WITH PASSWORD 'a' WITH ALL PRIVILEGES", {})
        admin = InfluxServer(process.login("energy", token="admin:a"), days=14, patience=QUICK)
        for statement in (
            'CREATE DATABASE "energy" WITH DURATION 15d SHARD DURATION 1d NAME "hot"',
            "CREATE USER platform WITH PASSWORD 'p'",
            'GRANT ALL ON "energy" TO "platform"',
        ):
            admin.query(statement, {})
        login = process.login("energy", token="platform:p")
        store = InfluxHotStore(InfluxServer(login, days=14, patience=QUICK), locks=tmp_path)
        put(store, PRICES, points(lately(trades=1), lately(1, trades=2)), stop=1)
        fewer = replace(PRICES, fields={"trades": pl.Int32()})
        put(store, fewer, points(lately(trades=3)), stop=2)
        assert store.read(fewer)["trades"].to_list() == [3]
        assert store.expire(fewer, before=datetime.now(UTC)) == 1
        store.clear(fewer)
        assert store.committed_offset(fewer) == 0
        # Only an administrator can have a type forgotten; until the retention does, it is told.
        changed = replace(PRICES, fields={"trades": pl.String()})
        refused = store.write(changed, points(lately(trades=1)), stop=3)
        assert refused[REASON].str.contains("field type conflict").all()
        assert refused.height == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://influx.example:8086", "another machine"),
        ("ftp://127.0.0.1", "must be http"),
        ("127.0.0.1:8086", "must be http"),
        ("", "must be http"),
        ("https://desk:hunter2@influx.example", "neither a password"),
        ("https://influx.example/?token=hunter2", "neither a password"),
    ],
)
def test_an_address_that_would_give_a_secret_away_is_refused(url: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        Login(url=url, api=InfluxApi.V2, bucket="energy", token="hunter2")
    assert "hunter2" not in str(refused.value)


def test_without_a_secret_a_private_network_will_do() -> None:
    Login(url="http://influx.example:8086", api=InfluxApi.V1, bucket="energy")
    Login(url="https://influx.example", api=InfluxApi.V2, bucket="energy", token="t")


def test_the_settings_open_the_store(influx: InfluxProcess, tmp_path: Path) -> None:
    chosen = Settings(
        home=tmp_path,
        hot_store=HotStoreKind.INFLUXDB,
        influxdb_url=influx.url,
        influxdb_api=InfluxApi.V1,
        influxdb_bucket=f"db_{uuid4().hex}",
    )
    store = open_micro_batches(chosen).hot_store
    put(store, PRICES, points(lately(trades=1)), stop=3)
    assert store.committed_offset(PRICES) == 3
    store.close()


def test_requests_are_bounded() -> None:
    lines = pl.Series(["x" * 9] * 25 + ["y" * 500] + ["x" * 9])
    parts = list(cut(lines, most_lines=10, most_bytes=100))
    assert [line for part in parts for line in lines[part]] == lines.to_list()
    assert all(part.stop - part.start <= 10 for part in parts)
    sizes = [int((lines[part].str.len_bytes() + 1).sum()) for part in parts]
    assert max(size for size in sizes if size != 501) <= 100
    assert 501 in sizes
    assert list(cut(lines.clear(), most_lines=10, most_bytes=100)) == []
