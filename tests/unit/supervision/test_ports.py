"""A port belongs to the platform from the moment it is chosen, and servers can listen on it."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from energy_platform.operations.supervision import ports as module
from energy_platform.operations.supervision.ports import HOST, USUAL, Ports, bound_ports


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> int:
    """A usual port of this test's own, which a platform of this machine's does not have."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        number = int(found.getsockname()[1])
    monkeypatch.setattr(module, "USUAL", {"dashboard": number})
    return number


@pytest.fixture
def port() -> Iterator[int]:
    with bound_ports() as (ports, _):
        yield ports.metrics


def test_ports_differ_and_need_no_privilege() -> None:
    with bound_ports() as (ports, kept):
        chosen = [getattr(ports, name) for name in Ports.__slots__]
    assert len(set(chosen)) == len(chosen) <= len(kept)
    assert all(1024 <= one < 65536 for one in chosen)


def test_nobody_else_is_given_a_port_before_its_server_listens(port: int) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((HOST, port))


def test_an_http_server_listens_and_comes_back(port: int) -> None:
    for _ in range(2):
        ThreadingHTTPServer((HOST, port), BaseHTTPRequestHandler).server_close()


async def test_an_asyncio_server_listens(port: int) -> None:
    server = await asyncio.start_server(lambda *_: None, HOST, port)
    server.close()


def test_a_grpc_server_listens(port: int) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    assert server.add_insecure_port(f"{HOST}:{port}") == port
    server.stop(None)


def test_a_port_is_kept_for_as_long_as_a_child_lives() -> None:
    with bound_ports() as (ports, kept):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, pass_fds=kept)
    try:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, ports.metrics))
    finally:
        child.communicate(b"\n")
    with socket.socket() as other:
        other.bind((HOST, ports.metrics))


def test_the_usual_port_is_taken_where_it_is_free(usual: int) -> None:
    with bound_ports() as (ports, _):
        assert ports.dashboard == usual


def test_another_is_taken_where_a_server_has_it(usual: int) -> None:
    with socket.create_server((HOST, usual)), bound_ports() as (ports, _):
        assert ports.dashboard != usual


def test_another_is_taken_where_a_server_has_it_on_every_address(usual: int) -> None:
    with socket.create_server(("", usual)), bound_ports() as (ports, _):
        assert ports.dashboard != usual


def test_two_platforms_that_start_at_once_have_different_ports(usual: int) -> None:
    with bound_ports() as (first, _), bound_ports() as (second, _):
        assert first.dashboard == usual
        assert len({getattr(one, name) for one in (first, second) for name in Ports.__slots__}) == (
            2 * len(Ports.__slots__)
        )


def test_a_platform_started_again_has_its_usual_port_again(usual: int) -> None:
    """Although connections of its last server are still in the kernel's books."""
    with bound_ports() as (ports, _), socket.create_server((HOST, ports.dashboard)) as server:
        client = socket.create_connection((HOST, usual))
        served, _address = server.accept()
        served.close()
        client.close()
    with bound_ports() as (ports, _):
        assert ports.dashboard == usual


def test_descriptors_are_closed_at_the_end() -> None:
    with bound_ports() as (_, kept):
        pass
    for descriptor in kept:
        with pytest.raises(OSError, match="Bad file descriptor"), contextlib.suppress(ValueError):
            os.fstat(descriptor)


def test_usual_ports_are_those_that_the_documentation_names() -> None:
    assert USUAL == {"dashboard": 3070, "metrics": 9464}
