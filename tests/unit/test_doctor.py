"""The doctor finds each thing that can be wrong, says what to do, and changes nothing."""

import http.server
import json
import os
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfoNotFoundError

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from energy_platform.market.instants import parse_instant
from energy_platform.operations.doctor import (
    configuration,
    home_folder,
    installation,
    machine,
    services,
)
from energy_platform.operations.doctor import look as module
from energy_platform.operations.doctor.finding import Check, Finding, Patient, Weight
from energy_platform.operations.doctor.look import CHECKS, look
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.operations.supervision.supervisor import ProcessStatus, Supervisor
from energy_platform.operations.verification import of_side_files
from energy_platform.settings import Settings
from tests.support.commands import Command, command_in_process
from tests.support.feeds import free_ports

Patch = pytest.MonkeyPatch


class Case(NamedTuple):
    """A fault, and what the doctor must say of it.

    Attributes:
        check: The check that finds it.
        make: Makes the fault in a home.
        settings: The settings with which the doctor looks.
        said: What the finding says.
        step: What it says to do.
        is_running: Whether a platform runs.
    """

    check: Check
    make: Callable[[Path, Patch, ExitStack], object]
    said: str
    step: str
    settings: dict[str, Any] = {}  # noqa: RUF012 (nobody changes it)
    is_running: bool = False


def nothing(*_: object) -> None:
    """Make no fault: the settings are it."""


def variable_set(name: str, value: str = "x") -> Callable[..., None]:
    return lambda _, patch, __: patch.setenv(name, value)


def without(name: str) -> Callable[..., None]:
    return lambda _, patch, __: patch.delenv(name, raising=False)


def written(name: str, text: str = "", mode: int = 0o600) -> Callable[..., None]:
    def write(home: Path, *_: object) -> None:
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(text)
        file.chmod(mode)

    return write


def open_to_all(home: Path, *_: object) -> None:
    home.mkdir(exist_ok=True)
    home.chmod(0o755)


def a_folder_of_root(home: Path, patch: Patch, _: ExitStack) -> None:
    home.mkdir()
    patch.setattr(os, "getuid", lambda: home.stat().st_uid + 1)


def a_file_in_its_place(home: Path, *_: object) -> None:
    home.write_text("")


def not_writable(home: Path, patch: Patch, _: ExitStack) -> None:
    patch.setattr(os, "access", lambda *_: False)


def few_descriptors(_: Path, patch: Patch, __: ExitStack) -> None:
    patch.setattr(resource, "getrlimit", lambda _: (256, 4096))


def little_room(home: Path, patch: Patch, _: ExitStack) -> None:
    home.mkdir()
    patch.setattr(shutil, "disk_usage", lambda _: _Usage(2**40, 0, 2**30))


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def few_inodes(home: Path, patch: Patch, _: ExitStack) -> None:
    home.mkdir()
    disk = SimpleNamespace(
        f_files=1000, f_favail=99, f_frsize=4096, f_blocks=10**9, f_bfree=10**9, f_bavail=10**9
    )
    patch.setattr(os, "statvfs", lambda _: disk)


def a_taken_port(_: Path, patch: Patch, stack: ExitStack) -> None:
    taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    patch.setattr(machine, "USUAL", {"metrics": taken.getsockname()[1]})


def a_clock_that_is_ahead(_: Path, patch: Patch, stack: ExitStack) -> None:
    address = stack.enter_context(server_that_says_the_time("2020-01-01T00:00Z"))
    patch.setattr(machine, "_provider_addresses", lambda: ["http://127.0.0.1:1/", address])


@contextmanager
def server_that_says_the_time(instant: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(200)
            self.send_header(
                "Date", format_datetime(parse_instant(instant).astimezone(UTC), usegmt=True)
            )
            self.end_headers()

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def no_time_zones(_: Path, patch: Patch, __: ExitStack) -> None:
    def missing(zone: str) -> None:
        raise ZoneInfoNotFoundError(f"No time zone found with key {zone}")

    patch.setattr(installation, "ZoneInfo", missing)


def other_packages(_: Path, patch: Patch, __: ExitStack) -> None:
    real = installation._installed
    patch.setattr(
        installation, "_installed", lambda name: "0.0.1" if name == "polars" else real(name)
    )


def an_orphan(home: Path, _: Patch, stack: ExitStack) -> None:
    left = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env={**os.environ, "ENERGY_PLATFORM_SUPERVISED": str(home)},
    )  # fmt: skip
    stack.callback(left.communicate, b"\n")


def a_process_in_trouble(_: Path, patch: Patch, __: ExitStack) -> None:
    statuses = [
        ProcessStatus("collector", 0, "BACKOFF", 9),
        ProcessStatus("daemon", 1, "RUNNING", 0),
    ]
    patch.setattr(Supervisor, "statuses", lambda _: statuses)


def no_credentials(_: Path, patch: Patch, __: ExitStack) -> None:
    def missing() -> None:
        raise DefaultCredentialsError("Your default credentials were not found.\nMore.")

    patch.setattr(google.auth, "default", missing)


@contextmanager
def _refusing() -> Iterator[str]:
    """An InfluxDB that lives and refuses this token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204 if self.path == "/ping" else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


INFLUX: dict[str, Any] = {"hot_store": "influxdb", "influxdb_token": "hunter2"}
BIGQUERY = {"warehouse": "bigquery", "bigquery_project": "energy"}
EMULATOR = {"bigquery_emulator": "http://127.0.0.1:1", "bigquery_emulator_grpc": "127.0.0.1:2"}
NOWHERE = "http://me:hunter2@127.0.0.1:1"
LIVE = {"markets": "live"}

CASES: Sequence[Case] = (
    Case(configuration.unknown_variables, variable_set("ENERGY_PLATFORM_MARKTES", "live"),
         "ENERGY_PLATFORM_MARKTES is no setting", "did you mean ENERGY_PLATFORM_MARKETS?"),
    Case(configuration.unused_settings, variable_set("ENERGY_PLATFORM_INFLUXDB_URL"),
         "ENERGY_PLATFORM_HOT_STORE is sqlite", "set ENERGY_PLATFORM_HOT_STORE=influxdb"),
    Case(configuration.missing_variables, without("ENTSOE_SECURITY_TOKEN"),
         "ENTSOE_SECURITY_TOKEN is missing", "if you have access", LIVE),
    Case(configuration.missing_variables, variable_set("ENTSOE_SECURTY_TOKEN"),
         "ENTSOE_SECURITY_TOKEN is missing", "did you mean ENTSOE_SECURTY_TOKEN?", LIVE),
    Case(configuration.missing_certificates, nothing, "which is no file", "correct the path",
         {"ca_file": "/nowhere.pem"}),
    Case(configuration.nobody_let_in, nothing, "only this machine may look",
         "set ENERGY_PLATFORM_LOGIN", {"dashboard_url": "https://desk.example.com"}),
    Case(configuration.nobody_let_in, nothing, "the user list is empty",
         "energy-platform users add", {"login": "users"}),
    Case(configuration.nobody_told, nothing, "alerts are sent nowhere", "ALERT_URLS", LIVE),
    Case(installation.packages, other_packages, "polars 0.0.1, not ", "make up"),
    Case(installation.time_zones, no_time_zones, "Europe/Berlin", "tzdata"),
    Case(home_folder.use, a_folder_of_root, "belongs to another user", "ENERGY_PLATFORM_HOME"),
    Case(home_folder.use, a_file_in_its_place, "is no folder", "ENERGY_PLATFORM_HOME"),
    Case(home_folder.use, not_writable, "can't be written", "chmod u+rwx"),
    Case(home_folder.privacy, open_to_all, "other users of this machine may open", "chmod 700"),
    Case(home_folder.privacy, written("run/live_bus.url", "secret", 0o644),
         "may read", "chmod -R go="),
    Case(home_folder.mixed_markets, written("landing_is_simulated"), "simulated markets",
         "another folder", LIVE),
    Case(home_folder.left_processes, an_orphan, "1 of its processes do", "energy-platform up"),
    Case(home_folder.no_databases, written("hot.sqlite", "garbage"), "hot.sqlite is damaged",
         "start the platform"),
    Case(home_folder.no_databases, written("access/audit.db", "garbage"), "audit.db is damaged",
         "start the platform"),
    Case(home_folder.no_databases, written("dagster/history/runs.db", "garbage"),
         "runs.db is damaged", "start the platform"),
    Case(home_folder.set_aside, written("hot.sqlite.damaged-20260301T000000"), "set aside",
         "look for the cause"),
    Case(home_folder.strange_files, written("prices.duckdb"), "prices.duckdb", "another version"),
    Case(machine.disks, little_room, "nearly full", "make room"),
    Case(machine.inodes, few_inodes, "99 of 1,000", "inodes"),
    Case(machine.descriptors, few_descriptors, "may open 256 files", "ulimit -n"),
    Case(machine.ports, a_taken_port, "another program listens", "by what `up` prints"),
    Case(machine.clock, a_clock_that_is_ahead, "s ahead, says 127.0.0.1", "timedatectl", LIVE),
    Case(services.processes, a_process_in_trouble, "collector is BACKOFF", "collector.log"),
    Case(services.live_bus, nothing, "no platform has run", "live-bus.log", is_running=True),
    Case(services.state_database, nothing, "the state database 127.0.0.1:1/energy is unavailable",
         "ENERGY_PLATFORM_STATE_URL", {"state_url": "postgresql://me:hunter2@127.0.0.1:1/energy"}),
    Case(services.influxdb, nothing, "does not answer at http://127.0.0.1:1:",
         "ENERGY_PLATFORM_INFLUXDB_URL", INFLUX | {"influxdb_url": NOWHERE}),
    Case(services.google, no_credentials, "Your default credentials were not found.",
         "gcloud auth", BIGQUERY),
    Case(services.google, no_credentials, "no credentials for Google's services", "gcloud auth",
         {"landing": "gs://bucket/raw"}),
    Case(services.google, nothing, "nothing listens at http://127.0.0.1:1", "start the emulator",
         BIGQUERY | EMULATOR),
    Case(services.google, nothing, "nothing listens at 127.0.0.1:1", "start the emulator",
         {"live_bus": "pubsub://energy/desk", "pubsub_emulator": "127.0.0.1:1"}),
)  # fmt: skip


def patient(home: Path, *, is_running: bool = False, **settings: Any) -> Patient:
    [port] = free_ports(1)
    chosen = Settings.model_validate({"home": home, "dashboard_port": port, **settings})
    return Patient(settings=chosen, environment=dict(os.environ), is_running=is_running)


@pytest.mark.parametrize("case", CASES, ids=[f"{one.check.__name__}: {one.said}" for one in CASES])
def test_each_fault_is_found_with_what_to_do(case: Case, home: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(machine, "USUAL", {})  # a platform of this machine may have them
    assert _found(case, home, made=False) == []
    with ExitStack() as stack, monkeypatch.context() as patch:
        case.make(home, patch, stack)
        before = _content(home)
        found = _found(case, home, made=True)
        assert _content(home) == before, "the doctor changes nothing"
    assert [one for one in found if case.said in one.what and case.step in one.step], found
    assert not [one for one in found if "hunter2" in one.what + one.step], found


def _found(case: Case, home: Path, *, made: bool) -> list[Finding]:
    """Return what a check finds; without the fault, with harmless settings."""
    settings = case.settings if made else {}
    return list(case.check(patient(home, is_running=made and case.is_running, **settings)))


def _content(home: Path) -> list[tuple[str, int, int]]:
    if not home.is_dir():
        return []
    return sorted(
        (str(one), (found := one.lstat()).st_mode, found.st_mtime_ns) for one in home.rglob("*")
    )


def test_every_check_has_a_case() -> None:
    assert {case.check for case in CASES} == set(CHECKS)


def test_an_influxdb_that_refuses_the_token_is_found(home: Path) -> None:
    with _refusing() as url:
        [found] = services.influxdb(patient(home, **INFLUX, influxdb_url=url))
    assert "refuses this user" in found.what
    assert "ENERGY_PLATFORM_INFLUXDB_TOKEN" in found.step


def test_a_clock_that_is_right_is_nothing(home: Path, monkeypatch: Patch) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with server_that_says_the_time(now) as address:
        off = machine.seconds_off(address)
        assert off is not None
        assert abs(off) < 60
    assert machine.seconds_off(address) is None, "a server that is gone says nothing"
    monkeypatch.setattr(machine, "_provider_addresses", lambda: [address] * 5)
    assert list(machine.clock(patient(home, markets="live"))) == []


def test_live_sources_name_servers_that_could_be_asked() -> None:
    found = machine._provider_addresses()
    assert len(found) >= 2
    assert all(re.fullmatch(r"https://[^/]+/", one) for one in found)


@pytest.mark.parametrize(
    "name",
    ["hot.sqlite", "alerts.sqlite", "batch_history.sqlite", "provider_limits.sqlite",
     "access/audit.db", "marts/progress.sqlite", "backfills/smard_price/a/record.sqlite",
     "feeds/jao_max_exchange/wsdl.sqlite", "dagster/storage/runs.db",
     "dagster/storage/schedules/schedules.db", "a_folder_to_come/b/c.sqlite"],
)  # fmt: skip
def test_doctor_and_verify_look_at_the_same_databases(name: str, home: Path) -> None:
    for put in (name, f"{name}.damaged-20260301T000000.db", "landing/s/x.db", "recent/x.sqlite"):
        written(put, "garbage", 0o600)(home)
    [finding] = home_folder.no_databases(patient(home))
    assert finding.what.startswith(f"{home / name} is damaged")
    assert [one.place for one in of_side_files(home)] == [str(home / name)]


def test_a_sound_database_is_no_finding(home: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "hot.sqlite")) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
    (home / "alerts.sqlite").touch()  # of a platform that was killed when it began
    assert list(home_folder.no_databases(patient(home))) == []


@pytest.mark.parametrize(
    "name", ["hot.sqlite-wal", "batch_history.sqlite.lock", "landing", ".dbt", "run"]
)
def test_what_this_version_keeps_is_not_strange(home: Path, name: str) -> None:
    (home / name).mkdir(parents=True)
    assert list(home_folder.strange_files(patient(home))) == []


def test_every_folder_of_the_docs_table_is_known() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()
    table = text.split("| in the home |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    names = {name.split("/")[0] for cell in cells for name in re.findall(r"`([\w./]+)`", cell)}
    assert {"landing", "warehouse", "access", "alerts.sqlite"} <= names <= home_folder.OWN


def test_every_variable_of_the_project_is_known() -> None:
    places = (
        "energy_platform", "resources", "simulator", "sensors", "assets", "dbt_project", "deploy",
        "docs", "Makefile", "README.md", "dagster.yaml", "workspace.yaml",
    )  # fmt: skip
    mentioned = set[str]()
    for place in places:
        path = PROJECT / place
        files = [path] if path.is_file() else path.rglob("*")
        for file in files:
            skipped = {"node_modules", "static", "__pycache__", "target"}
            if file.is_file() and not skipped & set(file.parts):
                text = file.read_bytes().decode(errors="replace")
                mentioned |= set(re.findall(r"ENERGY_PLATFORM_[A-Z][A-Z_]*[A-Z]", text))
    prefixes = {one for one in mentioned if any(f"{one}_" in k for k in mentioned)}
    unknown = mentioned - configuration.known_variables() - prefixes
    assert unknown == set()
    assert len(mentioned) > 40


def test_settings_that_cannot_be_used_are_the_only_finding(home: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_HOT_DAYS", "many")
    [found] = look()
    assert found.weight is Weight.WRONG
    assert found.what.startswith("ENERGY_PLATFORM_HOT_DAYS: ")


def test_a_check_that_fails_keeps_no_other_from_being_made(home: Path, monkeypatch: Patch) -> None:
    def broken(_: Patient) -> Iterator[Finding]:
        raise OSError("disk on fire")
        yield  # type: ignore[unreachable]

    monkeypatch.setattr(module, "CHECKS", (broken, configuration.unknown_variables))
    monkeypatch.setenv("ENERGY_PLATFORM_MARKTES", "live")
    assert [one.weight for one in look()] == [Weight.WRONG, Weight.NOTE]
    assert "disk on fire" in look()[1].what


def test_the_command_tells_and_exits_by_what_is_found(
    home: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Command = command_in_process(monkeypatch, capsys)
    monkeypatch.setattr(module, "CHECKS", (configuration.unknown_variables,))
    answer = command("doctor")
    assert (answer.code, answer.out) == (0, "Nothing is wrong, as far as 1 check can tell.\n")
    monkeypatch.setenv("ENERGY_PLATFORM_MARKTES", "live")
    answer = command("doctor")
    assert answer.code == 1
    assert answer.out.startswith("wrong: ENERGY_PLATFORM_MARKTES")
    answer = command("doctor", "--json")
    assert answer.code == 1
    [finding] = json.loads(answer.out)["findings"]
    assert finding["weight"] == "wrong"
    assert not home.exists(), "a home that is not there is not made"
