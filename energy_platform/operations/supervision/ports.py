"""Loopback ports for one start of the platform: usual ones where people know them, else any.

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
from typing import Final

HOST: Final = "127.0.0.1"
USUAL: Final[Mapping[str, int]] = {"dashboard": 3070, "webserver": 3000, "metrics": 9464}
"""Ports that bookmarks and scrapers' configurations name; if one is taken, another port is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each process listens."""

    dashboard: int
    webserver: int
    metrics: int
    code_server: int
    broker: int
    live_bus: int


@contextmanager
def bound_ports(**usual: int) -> Iterator[tuple[Ports, tuple[int, ...]]]:
    """Bind a port for each process; yield them, and the file descriptors that keep them.

    A child that inherits the descriptors keeps the ports after the context has ended.

    Args:
        usual: Ports that are usual here instead of those in `USUAL`, by their process.
    """
    wanted = {**USUAL, **usual}
    with ExitStack() as kept:
        bound = {port.name: _bound(wanted.get(port.name), kept) for port in fields(Ports)}
        chosen = {name: sockets[0].getsockname()[1] for name, sockets in bound.items()}
        descriptors = (one.fileno() for sockets in bound.values() for one in sockets)
        yield Ports(**chosen), tuple(descriptors)


def _bound(usual: int | None, kept: ExitStack) -> list[socket.socket]:
    """Return a socket that has bound the usual port, or any, and what else keeps the port."""
    if usual is not None:
        # Connections of a server that has just stopped must not block the port for the next one.
        with suppress(OSError), ExitStack() as tried:
            port = tried.enter_context(socket.socket())
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind((HOST, usual))
            claims = _claims(usual, tried)
            kept.push(tried.pop_all())
            return [port, *claims]
    port = kept.enter_context(socket.socket())
    port.bind((HOST, 0))
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
