"""Whether a process that runs alone answers, as a container's health check asks."""

import json
import socket
from pathlib import Path

import pytest

from energy_platform.errors import UsageError
from energy_platform.ingest.simulated_market import ADDRESSES_NAME
from energy_platform.operations.supervision.health import is_healthy
from energy_platform.settings import Address, Settings
from tests.support.feeds import free_ports


@pytest.mark.parametrize("process", ["code-server", "webserver", "dashboard", "metrics"])
def test_a_server_is_healthy_while_it_listens(process: str, home: Path) -> None:
    [port] = free_ports(1)
    chosen = Settings.model_validate(
        {
            "home": home, "code_server_address": Address("127.0.0.1", port),
            "webserver_address": f"127.0.0.1:{port}", "dashboard_port": port, "metrics_port": port,
        }
    )  # fmt: skip
    assert not is_healthy(process, chosen)
    with socket.create_server(("127.0.0.1", port)):
        assert is_healthy(process, chosen)


def test_a_server_on_every_address_is_asked_on_loopback(home: Path) -> None:
    [port] = free_ports(1)
    chosen = Settings(home=home, metrics_host="0.0.0.0", metrics_port=port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_healthy("metrics", chosen)


@pytest.mark.parametrize(("process", "field"), [("broker", "broker_url"), ("live-bus", "live_bus")])
def test_a_valkey_must_answer_and_not_only_listen(process: str, field: str, home: Path) -> None:
    [port] = free_ports(1)
    chosen = Settings.model_validate({"home": home, field: f"redis://a:b@127.0.0.1:{port}/0"})
    with socket.create_server(("127.0.0.1", port)):
        assert not is_healthy(process, chosen)
    assert not is_healthy(process, Settings(home=home))


def test_a_simulator_is_healthy_once_it_has_told_its_addresses(home: Path) -> None:
    chosen = Settings(home=home)
    assert not is_healthy("simulator", chosen)
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = {
            "https://one.example": f"http://127.0.0.1:{server.getsockname()[1]}/one",
            "http://127.0.0.1:8472": "http://127.0.0.1:0",
            "SOME_VARIABLE": "value",
        }
        chosen.simulator_folder.mkdir(parents=True)
        (chosen.simulator_folder / ADDRESSES_NAME).write_text(json.dumps(addresses))
        assert is_healthy("simulator", chosen)
    assert not is_healthy("simulator", chosen)


def test_who_serves_nobody_can_not_be_asked(home: Path) -> None:
    with pytest.raises(UsageError, match="'daemon' can't be asked"):
        is_healthy("daemon", Settings(home=home))
