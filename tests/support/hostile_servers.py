"""Servers of the loopback that say whatever a test wants, for as long as anyone listens."""

import asyncio
import contextlib
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]

TWO_GIGABYTES = 2 * 2**30
_PIECE = b"x" * 65_536


@dataclass
class Streamed:
    """A server's address, and how many bytes it has got rid of."""

    port: int = 0
    sent: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


async def _stream(told: Streamed, pieces: Iterable[bytes], writer: asyncio.StreamWriter) -> None:
    """Write pieces until all are written or the client has gone."""
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            told.sent += len(piece)


def two_gigabytes() -> Iterator[bytes]:
    """Yield two gigabytes in pieces."""
    return repeat(_PIECE, TWO_GIGABYTES // len(_PIECE))


@asynccontextmanager
async def _listening(serve: Serve) -> AsyncIterator[int]:
    """Serve each connection in a task, on a free port, until the context ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve_and_close(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def endless_http(*headers: str) -> AsyncIterator[Streamed]:
    """Run a server that answers every request with a body of two gigabytes."""
    told = Streamed()
    lines = "".join(f"{line}\r\n" for line in headers or (f"Content-Length: {TWO_GIGABYTES}",))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await _stream(told, chain([head], two_gigabytes()), writer)

    async with _listening(serve) as port:
        told.port = port
        yield told


@dataclass
class FtpScript:
    """What an FTP server says; it understands passive transfers, and no TLS.

    Attributes:
        listing: The lines of its folder, in pieces.
        files: The content of its files.
        replies: What it says to a command in place of the usual, in pieces.
        features: What it says that it has.
        commands: Every command that it got.
        told: Where it listens, and how much it has sent over data connections.
    """

    listing: Iterable[bytes] = ()
    files: Mapping[str, Iterable[bytes]] = field(default_factory=dict)
    replies: Mapping[str, Iterable[bytes]] = field(default_factory=dict)
    features: Sequence[str] = ("MLST type*;size*;modify*;",)
    commands: list[str] = field(default_factory=list)
    told: Streamed = field(default_factory=Streamed)

    @property
    def url(self) -> str:
        return f"ftp://127.0.0.1:{self.told.port}/"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FtpScript"]:
        """Serve for as long as the context lasts."""
        async with _listening(self._serve) as port:
            self.told.port = port
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transfers: asyncio.Queue[bytes] = asyncio.Queue()

        async def send(_reader: asyncio.StreamReader, data: asyncio.StreamWriter) -> None:
            """Send what was asked for over a data connection, then say that it is done."""
            line = (await transfers.get()).decode().strip()
            command, name = line.partition(" ")[::2]
            pieces = self.files.get(name) if command == "RETR" else self.listing
            if pieces is None:
                writer.write(b"550 no such file\r\n")
                return
            writer.write(b"150 here it comes\r\n")
            await _stream(self.told, pieces, data)
            data.close()
            await data.wait_closed()
            writer.write(b"226 done\r\n")

        async with _listening(send) as port:
            writer.write(b"220 ready\r\n")
            while line := await reader.readline():
                command = line.decode().strip().partition(" ")[0]
                self.commands.append(line.decode().strip())
                if command in self.replies:
                    await _stream(Streamed(), self.replies[command], writer)
                elif command in ("MLSD", "LIST", "RETR"):
                    transfers.put_nowait(line)
                else:
                    writer.write(self._usual(command, port))
                await writer.drain()

    def _usual(self, command: str, port: int) -> bytes:
        features = "".join(f" {one}\r\n" for one in self.features)
        return {
            "USER": b"331 who\r\n",
            "PASS": b"230 welcome\r\n",
            "FEAT": f"211-has\r\n{features}211 end\r\n".encode(),
            "EPSV": f"229 passive (|||{port}|)\r\n".encode(),
            "MDTM": b"213 20260301120000\r\n",
            "QUIT": b"221 bye\r\n",
        }.get(command, b"200 yes\r\n" if command == "TYPE" else b"250 yes\r\n")
