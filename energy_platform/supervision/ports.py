"""Loopback ports for one start of the platform: free ones; the UI's usual one if it is."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Final, Self

HOST: Final = "127.0.0.1"
WEBSERVER_PORT: Final = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each process listens."""

    webserver: int
    code_server: int
    broker: int
    simulator_http: int
    simulator_ftp: int
    simulator_ftps: int
    simulator_gme_ftps: int
    simulator_aws: int
    sns_endpoint: int

    @classmethod
    def free(cls) -> Self:
        """Return ports that were free a moment ago."""
        with ExitStack() as stack:
            chosen = {}
            for port in fields(cls):
                listener = stack.enter_context(socket.socket())
                preferred = WEBSERVER_PORT if port.name == "webserver" else 0
                try:
                    listener.bind((HOST, preferred))
                except OSError:
                    listener.bind((HOST, 0))
                chosen[port.name] = listener.getsockname()[1]
        return cls(**chosen)
