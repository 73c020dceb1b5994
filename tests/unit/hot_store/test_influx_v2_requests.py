"""The requests of InfluxDB's v2 API as they leave, and what each answer is taken for.

No server of 2.x or 3.x was at hand. What is answered here is what their documentation says.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.settings import InfluxApi
from energy_platform.storage.hot_store.influxdb.server import (
    InfluxServer,
    LinesRefusedError,
    Login,
    Patience,
)
from energy_platform.storage.hot_store.influxdb.store import InfluxHotStore
from energy_platform.storage.hot_store.protocol import REASON
from tests.support.hot_points import PRICES, point, points

TOKEN = "s3cr3t-t0k3n"
Answer = tuple[int, dict[str, Any]]


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: str


@dataclass
class Scripted:
    """A server of the v2 API that answers as a function says, and keeps what it was asked."""

    answer: Callable[[Request], Answer]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[Scripted]:
    script = Scripted(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            request = Request(
                self.command, parts.path, parse_qs(parts.query), self.headers["Authorization"], body
            )
            script.requests.append(request)
            status, said = script.answer(request)
            text = json.dumps(said).encode() if said else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Retry-After", "3600")
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = handle_one  # noqa: N815 (the library's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def an_empty_server(request: Request) -> Answer:
    """Answer as a server would that has no bucket yet and takes all that is written."""
    organisation = {"id": "0123456789abcdef", "name": "desk"}
    match request.method, request.path:
        case "GET", "/api/v2/buckets":
            return 200, {"buckets": []}
        case "GET", "/api/v2/orgs":
            return 200, {"orgs": [organisation]}
        case "POST", "/api/v2/buckets":
            return 201, {**json.loads(request.body), "id": "fedcba9876543210"}
        case "POST", "/query":
            return 200, {"results": [{"statement_id": 0}]}
        case "POST", "/api/v2/write" | "/api/v2/delete":
            return 204, {}
    raise AssertionError(request)


def opened(script: Scripted) -> InfluxServer:
    login = Login(
        url=script.url, api=InfluxApi.V2, bucket="energy", organisation="desk", token=TOKEN
    )
    return InfluxServer(login, days=14, patience=Patience(tries=2, first_pause_seconds=0.01))


def test_points_are_written_to_a_bucket_that_is_made_first(tmp_path: Path) -> None:
    with serving(an_empty_server) as script:
        store = InfluxHotStore(opened(script), locks=tmp_path)
        refused = store.write(PRICES, points(point(trades=3, status='a "b"')), stop=7)
        store.close()
    assert refused.is_empty()
    [made] = [one for one in script.to("/api/v2/buckets") if one.method == "POST"]
    said = json.loads(made.body)
    assert (said["name"], said["orgID"]) == ("energy", "0123456789abcdef")
    assert said["retentionRules"] == [{"everySeconds": 14 * 24 * 3600, "type": "expire"}]
    [removed] = script.to("/api/v2/delete")
    assert removed.query == {"org": ["desk"], "bucket": ["energy"]}
    assert json.loads(removed.body)["predicate"] == '_measurement="ote_intraday_price"'
    assert json.loads(removed.body)["start"].startswith("1677-")
    *_, written = script.to("/api/v2/write")
    assert written.query == {"org": ["desk"], "bucket": ["energy"], "precision": ["us"]}
    assert written.body == (
        r'ote_intraday_price,bidding_zone=CZ,product=QH trades=3i,status="a \"b\"",'
        'null_fields="price_eur_per_mwh,is_final,published_at",written_stop=7i 1774742400000000'
    )
    for request in script.requests:
        assert request.authorization == f"Token {TOKEN}"
    for asked in script.to("/query"):
        assert asked.query == {"db": ["energy"], "epoch": ["u"], "chunked": ["true"]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"code": "invalid", "message": "unable to parse 'x': bad"}),
        (422, {"code": "unprocessable entity", "message": "field type conflict dropped=1"}),
        (413, {"code": "request too large", "message": "max body"}),
        (400, {"error": "partial write of line protocol occurred", "data": []}),
    ],
)
def test_refused_lines_are_told_from_those_that_were_taken(
    tmp_path: Path, status: int, said: dict[str, Any]
) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/api/v2/write" and "trades=13i" in request.body:
            return status, said
        return an_empty_server(request)

    with serving(answer) as script:
        store = InfluxHotStore(opened(script), locks=tmp_path)
        refused = store.write(PRICES, points(*(point(n, trades=n) for n in range(20))), stop=1)
        store.close()
    assert refused["trades"].to_list() == [13]
    assert refused[REASON].to_list() == [said.get("message") or said["error"]]
    taken = [one.body for one in script.to("/api/v2/write") if "trades=13i" not in one.body]
    for n in set(range(20)) - {13}:
        assert any(f"trades={n}i" in body for body in taken)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_server_in_trouble_is_unavailable_and_says_why(status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/api/v2/write":
            return status, {"code": "trouble", "message": 'bucket "energy" not found'}
        return an_empty_server(request)

    with serving(answer) as script:
        server = opened(script)
        with pytest.raises(HotStoreUnavailableError, match="not found") as told:
            server.write(b"x v=1 1")
        tries = len(script.to("/api/v2/write"))
        # Asked again while it rests, or once more: who asks is told the same.
        with pytest.raises(HotStoreUnavailableError):
            server.write(b"x v=1 1")
        server.close()
    assert TOKEN not in str(told.value)
    # What no retry mends is tried once, but for a bucket that may be made.
    assert tries <= (1 if status in (401, 403) else 2)


def test_a_token_that_may_not_make_buckets_writes_to_the_one_there_is() -> None:
    def answer(request: Request) -> Answer:
        if request.path in ("/api/v2/buckets", "/api/v2/orgs"):
            return 403, {"code": "forbidden", "message": "insufficient permissions"}
        return an_empty_server(request)

    with serving(answer) as script:
        server = opened(script)
        server.write(b"x v=1 1")
        server.write(b"x v=2 2")
        server.close()
    assert [one.body for one in script.to("/api/v2/write")] == ["x v=1 1", "x v=2 2"]
    assert len(script.to("/api/v2/buckets")) == 1


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_that_cannot_remove_points_starts_again_all_the_same(
    tmp_path: Path, status: int
) -> None:
    def answer(request: Request) -> Answer:
        if request.path == "/api/v2/delete":
            return status, {"error": "not found"}
        return an_empty_server(request)

    with serving(answer) as script:
        store = InfluxHotStore(opened(script), locks=tmp_path)
        store.clear(PRICES)
        store.close()
    [noted] = script.to("/api/v2/write")
    assert "stop=0i" in noted.body


def test_an_answer_that_breaks_off_is_none() -> None:
    with serving(lambda _: (400, {"code": "invalid", "message": "no"})) as script:
        server = opened(script)
        with pytest.raises(LinesRefusedError, match="no"):
            server.write(b"x")
        server.close()
    with pytest.raises(HotStoreUnavailableError, match="does not answer"):
        opened(script).write(b"x v=1 1")
