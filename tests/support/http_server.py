"""An HTTP server that sends, byte for byte, the replies of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class ScriptedServer:
    """Answers each request with the next reply, and repeats the last one.

    Attributes:
        url: Its address.
        requests: The head of every request so far, as text.
    """

    url: str = ""
    requests: list[str] = field(default_factory=list)
    connections: int = 0


def reply(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole HTTP reply; `Content_Length` and other headers may be given falsely."""
    lines = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def scripted(*replies: bytes | None, drip: bool = False) -> AsyncIterator[ScriptedServer]:
    """Run a server that gives these replies, dripping if asked.

    None means silence for ever; no bytes mean a closed connection.
    """
    script = ScriptedServer()
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(_serve(script, replies, reader, writer, drip=drip)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield script
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


async def _serve(
    script: ScriptedServer,
    replies: Sequence[bytes | None],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    drip: bool,
) -> None:
    script.connections += 1
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            answer = replies[min(len(script.requests), len(replies) - 1)]
            script.requests.append(head.decode() + (await _body(head, reader)).decode())
            if answer is None:
                await asyncio.Event().wait()
                return
            await _send(answer, writer, drip=drip)
            if not answer or _promises_more(answer):
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    promised = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return await reader.readexactly(int(promised or 0))


async def _send(answer: bytes, writer: asyncio.StreamWriter, *, drip: bool) -> None:
    pieces = [answer[at : at + 1] for at in range(len(answer))] if drip else [answer]
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05 if drip else 0)


def _promises_more(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    promised = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return int(promised) > len(body)
