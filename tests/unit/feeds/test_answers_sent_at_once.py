"""Sockets that the code itself opens send small answers at once, as the servers' own sockets do."""

import socket
from pathlib import Path

import pytest

from tests.support.feeds import a_world
from tests.unit.feeds.test_sns_endpoint import a_stage


def sends_at_once(listener: socket.socket) -> bool:
    return listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_simulated_markets_send_at_once(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    try:
        listener = world.listeners.socket("http")
        assert sends_at_once(listener)
        with (
            socket.create_connection(listener.getsockname()[:2]),
            listener.accept()[0] as accepted,
        ):
            assert sends_at_once(accepted)
    finally:
        world.listeners.close()


async def test_the_endpoint_of_sns_sends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[socket.socket] = []
    create_server = socket.create_server

    def keeping(address: tuple[str, int]) -> socket.socket:
        opened.append(create_server(address))
        return opened[-1]

    monkeypatch.setattr("energy_platform.feeds.sns.endpoint.socket.create_server", keeping)
    async with a_stage(tmp_path):
        assert [sends_at_once(one) for one in opened if one.fileno() >= 0] == [True]
