"""Settings come from the environment; a value that can't be used is named, never printed."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from energy_platform.errors import UsageError
from energy_platform.settings import (
    Address,
    HotStoreKind,
    InfluxApi,
    Markets,
    Settings,
    current_settings,
    settings,
)

pytestmark = pytest.mark.usefixtures("home")


def test_what_holds_when_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENERGY_PLATFORM_HOME")
    chosen = settings()
    assert chosen.home == Path(".energy_platform")
    assert chosen.markets is Markets.SIMULATED
    assert chosen.addresses == {}


def test_variables_are_read_by_their_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_MARKETS", "live")
    monkeypatch.setenv("ENERGY_PLATFORM_BATCH_MESSAGES", "17")
    monkeypatch.setenv("ENERGY_PLATFORM_ADDRESSES", '{"https://a": "http://b"}')
    chosen = settings()
    assert (chosen.home, chosen.markets, chosen.batch_messages) == (home, Markets.LIVE, 17)
    assert chosen.addresses == {"https://a": "http://b"}
    assert settings() is chosen


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("HOME", "/srv/100%20", "'%20'"),
        ("HOME", "/srv/[energy]", "'['"),
        ("HOME", "/srv/back\\slash", "Delta Lake"),
        ("BATCH_MESSAGES", "many", "valid integer"),
        ("BATCH_MESSAGES", "0", "greater than or equal to 1"),
        ("LINGER_SECONDS", "-1", "greater than or equal to 0"),
        ("MARKETS", "imaginary", "'simulated' or 'live'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("HOT_DAYS", "", "valid integer"),
        ("ADDRESSES", "not json", "JSON"),
        ("ADDRESSES", '["a"]', "dictionary"),
        ("ADDRESSES", '{"https://a": 1}', "valid string"),
        ("CODE_SERVER_ADDRESS", "code-server", "host:port"),
        ("CODE_SERVER_ADDRESS", "http://code-server:4000", "host:port"),
        ("WEBSERVER_ADDRESS", "a@webserver:3001", "host:port"),
        ("WEBSERVER_ADDRESS", "webserver:99999", "host:port"),
        ("METRICS_PORT", "0", "greater than or equal to 1"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ENERGY_PLATFORM_{variable}", value)
    with pytest.raises(UsageError) as raised:
        settings()
    message = str(raised.value)
    assert message.startswith(f"ENERGY_PLATFORM_{variable}: ")
    assert problem in message
    assert "\n" not in message


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        settings().hot_days = 1


@pytest.mark.parametrize(
    ("landing", "url"),
    [
        (None, "{home}/landing"),
        ("/data/raw", "file:///data/raw"),
        ("file:///data/raw", "file:///data/raw"),
        ("gs://bucket/raw", "gs://bucket/raw"),
    ],
)
def test_the_landing_zone_is_a_folder_or_a_bucket(
    home: Path, landing: str | None, url: str
) -> None:
    assert Settings(home=home, landing=landing).landing_url == url.format(home=home.as_uri())


def test_a_relative_home_has_an_absolute_landing_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(home=Path("a b")).landing_url == f"file://{tmp_path}/a%20b/landing"


def test_secrets_are_no_part_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORD_POOL_PASSWORD", "hunter2")
    assert "hunter2" not in repr(settings())


def test_the_brokers_password_is_not_printed() -> None:
    chosen = Settings(broker_url="rediss://:hunter2@broker.example:6379/0")
    assert "hunter2" not in repr(chosen)
    assert "hunter2" not in str(chosen)


@pytest.mark.parametrize(
    "url", ["http://h", "redis://", "pubsub://energy", "pubsub://energy/", "pubsub://E/p q"]
)
def test_a_live_bus_elsewhere_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_LIVE_BUS", url)
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_LIVE_BUS"):
        settings()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"WAREHOUSE": "bigquery"}, "ENERGY_PLATFORM_BIGQUERY_PROJECT"),
        ({"BIGQUERY_EMULATOR": "http://127.0.0.1:1"}, "ENERGY_PLATFORM_BIGQUERY_EMULATOR_GRPC"),
        ({"BIGQUERY_EMULATOR_GRPC": "127.0.0.1:1"}, "ENERGY_PLATFORM_BIGQUERY_EMULATOR"),
        ({"HOT_STORE": "influxdb", "INFLUXDB_TOKEN": "t"}, "ENERGY_PLATFORM_INFLUXDB_URL"),
        ({"HOT_STORE": "influxdb", "INFLUXDB_URL": "http://i"}, "ENERGY_PLATFORM_INFLUXDB_TOKEN"),
        ({"INFLUXDB_USER": "desk"}, "ENERGY_PLATFORM_INFLUXDB_PASSWORD"),
    ],
)
def test_a_store_that_is_described_by_half_is_refused_with_what_is_missing(
    given: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"ENERGY_PLATFORM_{name}", value)
    with pytest.raises(UsageError, match=f"{missing} is needed"):
        settings()


def test_the_stores_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_INFLUXDB_TOKEN", "hunter2")
    assert "hunter2" not in repr(settings())


def test_an_old_influxdb_needs_no_token() -> None:
    chosen = Settings(
        hot_store=HotStoreKind.INFLUXDB, influxdb_url="http://i", influxdb_api=InfluxApi.V1
    )
    assert chosen.influxdb_bucket == "energy"


def test_addresses_are_of_names_or_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_CODE_SERVER_ADDRESS", "code-server:4000")
    monkeypatch.setenv("ENERGY_PLATFORM_WEBSERVER_ADDRESS", "[::1]:3001")
    chosen = settings()
    assert chosen.code_server_address == Address("code-server", 4000)
    assert chosen.webserver_address == Address("::1", 3001)
    assert chosen.metrics_host == chosen.simulator_host == chosen.collector_host == "127.0.0.1"


def test_secrets_may_be_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (
        ("state/ENERGY_PLATFORM_BROKER_URL", "redis://runs:secret@broker:6379/0\n"),
        ("NORD_POOL_PASSWORD", "in the file"),
        ("ENTSOE_SECURITY_TOKEN", "in the file"),
        ("users.txt", "no variable"),
    ):
        file = tmp_path / "secrets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr("os.environ", {**os.environ, "ENTSOE_SECURITY_TOKEN": "set"})
    os.environ["ENERGY_PLATFORM_SECRET_FILES"] = str(tmp_path / "secrets")
    os.environ.pop("NORD_POOL_PASSWORD", None)
    assert current_settings().broker_url == "redis://runs:secret@broker:6379/0"
    assert os.environ["NORD_POOL_PASSWORD"] == "in the file"
    assert os.environ["ENTSOE_SECURITY_TOKEN"] == "set"
    assert "users.txt" not in os.environ


def test_a_secret_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "SOME_TOKEN").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("ENERGY_PLATFORM_SECRET_FILES", str(tmp_path))
    with pytest.raises(UsageError, match=r"SOME_TOKEN can't be read"):
        current_settings()


def test_a_publisher_needs_a_bus_of_the_same_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_LIVE_BUS_PUBLISHER", "redis://publisher:hunter2@bus:6379")
    for bus in (None, "pubsub://energy/desk"):
        if bus is not None:
            monkeypatch.setenv("ENERGY_PLATFORM_LIVE_BUS", bus)
        with pytest.raises(UsageError, match="needs a redis://") as raised:
            current_settings()
        assert "hunter2" not in str(raised.value)
    monkeypatch.setenv("ENERGY_PLATFORM_LIVE_BUS", "redis://follower:hunter2@bus:6379")
    assert "hunter2" not in repr(current_settings())


@pytest.mark.parametrize(
    "said", ["mysql://me:hunter2@db/energy", "postgresql://me:hunter2@db", "hunter2"]
)
def test_a_state_that_is_in_no_postgres_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_STATE_URL", said)
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_STATE_URL: Input should be") as raised:
        current_settings()
    assert "hunter2" not in str(raised.value)


def test_the_password_of_the_state_is_printed_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:hunter2@db:5432/energy?sslmode=require"
    monkeypatch.setenv("ENERGY_PLATFORM_STATE_URL", url)
    chosen = current_settings()
    assert chosen.state.url is not None
    assert chosen.state.url.get_secret_value() == url
    assert "hunter2" not in repr(chosen) + str(chosen) + repr(chosen.state)
