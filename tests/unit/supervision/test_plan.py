"""What the platform is made of, where it listens, and what its processes are told."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from energy_platform.errors import UsageError
from energy_platform.operations.supervision import plan
from energy_platform.operations.supervision.plan import (
    Process,
    environment,
    platform_plan,
    processes,
)
from energy_platform.operations.supervision.ports import (
    HOST,
    Ports,
    code_server_socket,
    webserver_socket,
)
from energy_platform.operations.supervision.valkeys import Valkeys
from energy_platform.settings import Markets, Settings

PORTS = Ports(
    dashboard=3001,
    metrics=3002,
)
ADDRESSES = {"live_bus.url", "live_bus_publisher.url"}
LISTENING = re.compile(r"--(host|bind|listen|interface|address)(=|$)")


@pytest.fixture
def planned(home: Path) -> dict[str, Process]:
    return {one.name: one for one in processes(Settings(home=home), PORTS)}


def test_what_there_is_and_in_which_order(planned: dict[str, Process]) -> None:
    assert list(planned) == [
        "simulator", "broker", "live-bus", "code-server", "collector", "hot-lane", "worker-1",
        "worker-2", "daemon", "webserver", "dashboard", "metrics",
    ]  # fmt: skip


def test_live_markets_have_no_simulator(home: Path) -> None:
    live = Settings(home=home, markets=Markets.LIVE)
    assert "simulator" not in {one.name for one in processes(live, PORTS)}
    said = environment(live, Valkeys(settings=live))
    assert json.loads(said["ENERGY_PLATFORM_ADDRESSES"]) == {}
    assert said["ENERGY_PLATFORM_MARKETS"] == "live"


def test_a_bus_in_the_cloud_needs_no_process(home: Path) -> None:
    chosen = Settings(home=home, live_bus="pubsub://energy/desk")
    planned = platform_plan(chosen, PORTS)
    assert "live-bus" not in {one.name for one in planned.processes}
    assert {file.name for file in planned.private_files} == {"broker.conf"}


def test_a_broker_elsewhere_needs_no_process(home: Path) -> None:
    chosen = Settings(home=home, broker_url="rediss://runs:secret@redis.example:6380/1")
    planned = platform_plan(chosen, PORTS)
    assert "broker" not in {one.name for one in planned.processes}
    assert {file.name for file in planned.private_files} == {"live_bus.conf", *ADDRESSES}
    assert planned.environment["ENERGY_PLATFORM_BROKER_URL"] == chosen.broker_url


def test_addresses_that_are_set_are_those_of_server_and_clients(home: Path) -> None:
    chosen = Settings.model_validate(
        {"home": home, "code_server_address": "code-server:4000", "webserver_address": "[::1]:3001"}
    )
    commands = {one.name: one.command for one in processes(chosen, PORTS)}
    assert commands["code-server"][-4:] == ("--host", "code-server", "--port", "4000")
    assert commands["webserver"][3:] == ("[::1]:3001", "workspace.address.yaml")
    assert commands["daemon"][-1] == "workspace.address.yaml"
    said = environment(chosen, Valkeys(settings=chosen))
    [server] = yaml.safe_load((plan.PROJECT / "workspace.address.yaml").read_text())["load_from"]
    where = server["grpc_server"]
    assert (said[where["host"]["env"]], said[where["port"]["env"]]) == ("code-server", "4000")


def test_only_what_people_and_scrapers_ask_has_a_port(planned: dict[str, Process]) -> None:
    assert HOST == "127.0.0.1"
    words = [(one.name, word) for one in planned.values() for word in one.command]
    assert not any(LISTENING.match(word) or "0.0.0.0" in word for _, word in words)
    ports = {
        one.name: one.command[position + 1]
        for one in planned.values()
        for position, word in enumerate(one.command)
        if word.endswith("port")
    }
    assert ports == {"broker": "0", "live-bus": "0", "dashboard": "3001", "metrics": "3002"}


@pytest.mark.parametrize("name", ["broker", "live-bus", "code-server", "webserver"])
def test_the_others_listen_where_this_user_alone_reaches(
    planned: dict[str, Process], name: str
) -> None:
    sockets = [Path(word) for word in planned[name].command if word.endswith(".sock")]
    assert len(sockets) == 1
    assert sockets[0].parent.stat().st_mode & 0o077 == 0
    assert len(str(sockets[0])) < 100


def test_no_password_is_in_a_command_or_a_text_of_the_plan(home: Path) -> None:
    chosen = platform_plan(Settings(home=home), PORTS)
    passwords = set(
        re.findall(r"(?:>|//\w+:)([\w-]{40,})", "\n".join(chosen.private_files.values()))
    )
    assert len(passwords) == 4
    commands = " ".join(word for one in chosen.processes for word in one.command)
    assert not any(one in commands + repr(chosen.processes) for one in passwords)
    again = platform_plan(Settings(home=home), PORTS)
    assert not any(one in "".join(again.private_files.values()) for one in passwords)


def test_dagsters_web_server_has_no_port(planned: dict[str, Process], home: Path) -> None:
    where = webserver_socket(home)
    assert planned["webserver"].command[3:] == (str(where), "workspace.yaml")
    assert where.parent.stat().st_mode & 0o077 == 0
    read_only = processes(Settings(home=home, dagster_read_only=True), PORTS)
    [webserver] = [one for one in read_only if one.name == "webserver"]
    assert webserver.command[-1] == "--read-only"


def test_every_program_is_there(planned: dict[str, Process]) -> None:
    assert [one.name for one in planned.values() if not Path(one.command[0]).is_file()] == []


def test_processes_find_each_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORD_POOL_PASSWORD", "hunter2")
    chosen = Settings(home=home, addresses={"https://api.energy-charts.info": "http://mine"})
    valkeys = Valkeys(settings=chosen)
    said = environment(chosen, valkeys)
    assert said["ENERGY_PLATFORM_HOME"] == str(home)
    # Dagster names its databases by URLs, where a question mark begins their options.
    assert Path(said["DAGSTER_HOME"]).resolve() == (home / "dagster").resolve()
    assert "?" not in said["DAGSTER_HOME"] + said["ENERGY_PLATFORM_DAGSTER_STORAGE"]
    assert said["ENERGY_PLATFORM_BROKER_URL"] == valkeys.broker_url
    assert said["ENERGY_PLATFORM_CODE_SERVER_SOCKET"] == str(code_server_socket(home))
    assert said["NORD_POOL_PASSWORD"] == "hunter2"
    assert json.loads(said["ENERGY_PLATFORM_ADDRESSES"]) == chosen.addresses
    assert said["ENERGY_PLATFORM_SIMULATOR"] == str(home / "simulator")


def test_an_installed_library_is_no_platform(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PROJECT", tmp_path)
    with pytest.raises(UsageError, match="checkout"):
        processes(Settings(home=home), PORTS)


def test_programs_over_the_same_libraries_share_their_imports(home: Path) -> None:
    warm = platform_plan(Settings(home=home), PORTS).warm_start
    assert set(warm.programs) == {
        "collector", "hot-lane", "code-server", "worker-1", "worker-2", "daemon", "webserver",
        "dashboard", "metrics",
    }  # fmt: skip
    assert warm.modules
    for module in warm.modules:
        assert find_spec(module) is not None, module
