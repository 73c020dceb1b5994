"""Loopback ports for one start of the platform: free ones; usual ones where others know them."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Final, Self

HOST: Final = "127.0.0.1"
USUAL: Final = {"webserver": 3000, "metrics": 9464}
"""What a browser's bookmark and a scraper's configuration name; another is taken if it is not free.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each process listens."""

    webserver: int
    metrics: int
    code_server: int
    broker: int

    @classmethod
    def free(cls) -> Self:
        """Return ports that were free a moment ago."""
        with ExitStack() as stack:
            chosen = {}
            for port in fields(cls):
                listener = stack.enter_context(socket.socket())
                try:
                    listener.bind((HOST, USUAL.get(port.name, 0)))
                except OSError:
                    listener.bind((HOST, 0))
                chosen[port.name] = listener.getsockname()[1]
        return cls(**chosen)
