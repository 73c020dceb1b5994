"""Where processes listen: on Unix sockets, and on loopback ports where people or scrapers ask.

On several machines, or in containers, settings name addresses instead.

Every web page and every user of the machine can reach a port of loopback. A Unix socket here is in
a folder that only the platform's own user can open.

A port is bound when it is chosen, and stays bound while the supervisor lives. Linux lets a server
listen on a port that another socket has bound without listening, if both set the option to reuse
the address, as servers do. So nobody else gets the port before its server listens, or while the
server is restarted.
"""

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

from energy_platform.operations.supervision.short_paths import short_path
from energy_platform.settings import Address, Settings

HOST: Final = "127.0.0.1"
DAGSTER_PATH: Final = "/dagster"
"""Below which path of the dashboard the Dagster UI stands."""
USUAL: Final[Mapping[str, int]] = {"dashboard": 3070, "metrics": 9464}
"""Ports that bookmarks and scrapers' configurations name; if one is taken, another port is used."""
_CONNECT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each process listens."""

    dashboard: int
    metrics: int


def webserver_socket(home: Path) -> Path:
    """Return where the Dagster web server of a home listens."""
    return short_path(home, ".webserver.sock")


def code_server_socket(home: Path) -> Path:
    """Return where the Dagster code server of a home listens; it runs whatever it is asked to."""
    return short_path(home, ".code_server.sock")


def broker_socket(home: Path) -> Path:
    """Return where the broker of a home listens."""
    return short_path(home, ".broker.sock")


def live_bus_socket(home: Path) -> Path:
    """Return where the live bus of a home listens."""
    return short_path(home, ".live_bus.sock")


def webserver_at(settings: Settings) -> Path | Address:
    """Return where Dagster's web server listens: on a Unix socket, unless an address is set."""
    return settings.webserver_address or webserver_socket(settings.home)


def code_server_at(settings: Settings) -> Path | Address:
    """Return where the code server listens: on a Unix socket, unless an address is set."""
    return settings.code_server_address or code_server_socket(settings.home)


def answers(where: Path | Address) -> bool:
    """Return whether a server listens on a Unix socket, or at an address."""
    if isinstance(where, Address):
        with suppress(OSError), socket.create_connection(where, timeout=_CONNECT_SECONDS):
            return True
        return False
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(where)) == 0


@contextmanager
def bound_ports(
    hosts: Mapping[str, str] = MappingProxyType({}), **usual: int
) -> Iterator[tuple[Ports, tuple[int, ...]]]:
    """Bind a port for each process; yield them, and the file descriptors that keep them.

    A child that inherits the descriptors keeps the ports after the context has ended.

    Args:
        hosts: Where processes listen that do not listen on loopback.
        usual: Ports that are usual here instead of those in `USUAL`, by their process.
    """
    wanted = {**USUAL, **usual}
    with ExitStack() as kept:
        bound = {
            port.name: _bound(hosts.get(port.name, HOST), wanted.get(port.name), kept)
            for port in fields(Ports)
        }
        chosen = {name: sockets[0].getsockname()[1] for name, sockets in bound.items()}
        descriptors = (one.fileno() for sockets in bound.values() for one in sockets)
        yield Ports(**chosen), tuple(descriptors)


def _bound(host: str, usual: int | None, kept: ExitStack) -> list[socket.socket]:
    """Return a socket that has bound the usual port, or any, and what else keeps the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if usual is not None:
        # Connections of a server that has just stopped must not block the port for the next one.
        with suppress(OSError), ExitStack() as tried:
            port = tried.enter_context(socket.socket(family))
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind((host, usual))
            claims = _claims(usual, tried)
            kept.push(tried.pop_all())
            return [port, *claims]
    port = kept.enter_context(socket.socket(family))
    port.bind((host, 0))
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return [port]


def _claims(usual: int, kept: ExitStack) -> list[socket.socket]:
    """Claim a usual port, which another platform could bind too while nobody listens.

    Raises:
        OSError: Another platform of this machine has claimed it.
    """
    if sys.platform != "linux":
        return []
    claim = kept.enter_context(socket.socket(socket.AF_UNIX))
    claim.bind(f"\0energy-platform/port/{usual}")
    return [claim]
