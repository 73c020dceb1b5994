"""The sockets that a world listens on, each on a port that the system chooses.

They are on loopback, unless a name or address of this machine is given.

A socket listens as soon as its port is asked for, so that its address is known before its server
runs. A client that connects before then waits.
"""

import socket
from typing import Final

HOST: Final = "127.0.0.1"


class Listeners:
    """Listening sockets by name, for one run after the other.

    Args:
        host: The name or address of this machine on which they listen, and by which clients reach
            them.

    Attributes:
        host: The same.
    """

    def __init__(self, host: str = HOST) -> None:
        self.host = host
        self._sockets: dict[str, socket.socket] = {}

    def socket(self, name: str) -> socket.socket:
        """Return the listening socket of this name, opened when it is first asked for."""
        if name not in self._sockets:
            listener = socket.create_server((self.host, 0), backlog=128)
            # Connections inherit it. Without it an answer in two writes waits 40 ms for the client.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[name] = listener
        return self._sockets[name]

    def port(self, name: str) -> int:
        """Return the port that the socket of this name listens on."""
        port: int = self.socket(name).getsockname()[1]
        return port

    def close(self) -> None:
        """Close all sockets; a later call opens new ones."""
        while self._sockets:
            self._sockets.popitem()[1].close()
