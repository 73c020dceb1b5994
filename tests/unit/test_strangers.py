"""Ports that only programs use: what they answer, and to whom."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from energy_platform.operations.strangers import ProgramsOnly, is_of_a_page
from simulator import server
from simulator.amazon import _FaultyBuckets
from tests.support.feeds import a_world
from tests.support.guarded_app import served

PAGES = [
    {"Host": "evil.example"},
    {"Host": "evil.example:80"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:9464"},
    {"Host": "[::1"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:8888"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
PROGRAMS = [{}, {"Host": "localhost:1"}, {"Host": "[::1]:1"}, {"Sec-Fetch-Site": "none"}]


async def _answer(_: Request) -> Response:
    return PlainTextResponse("answered")


async def _talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("answered")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    inner = Starlette(
        routes=[Route("/", _answer, methods=["GET", "POST"]), WebSocketRoute("/live", _talk)]
    )
    with served(ProgramsOnly(inner)) as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", PAGES, ids=str)
def test_pages_and_rebound_names_are_refused(
    port: int, method: str, headers: dict[str, str]
) -> None:
    answer = httpx.request(method, f"http://127.0.0.1:{port}/", headers=headers)
    assert answer.status_code in {400, 403}
    assert answer.text != "answered"


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
def test_programs_and_typed_addresses_are_answered(port: int, headers: dict[str, str]) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/", headers=headers).text == "answered"


def test_a_websocket_of_a_page_is_refused(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/live") as socket:
        assert socket.recv() == "answered"
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{port}/live", origin=Origin("http://evil.example"))


async def test_a_page_neither_stops_the_simulators_market_nor_asks_for_faults(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path)
    async with server.running(world, []), httpx.AsyncClient(timeout=60) as client:
        controls = world.addresses[server.CONTROLS]
        for headers in PAGES[:3] + PAGES[6:]:
            for path in ("freeze", "faults"):
                answer = await client.post(f"{controls}/{path}", headers=headers, content=b"{}")
                assert answer.status_code == 403
        assert world.clock.frozen_at is None
        (await client.post(f"{controls}/freeze")).raise_for_status()
        assert world.clock.frozen_at is not None


def test_a_link_publishes_nothing_at_the_simulated_amazon() -> None:
    said: list[str] = []

    def asked(**headers: str) -> None:
        environ = {"PATH_INFO": "/", "QUERY_STRING": "Action=Publish", "HTTP_HOST": "127.0.0.1:1"}
        _FaultyBuckets(lambda *_: [b"published"], {})(
            environ | headers,
            lambda status, *_: said.append(status),  # type: ignore[arg-type]
        )

    asked(HTTP_SEC_FETCH_SITE="cross-site")
    asked(HTTP_HOST="evil.example")
    asked(HTTP_ORIGIN="http://evil.example")
    assert said == ["403 Forbidden"] * 3
    asked()
    assert len(said) == 3, "the application answers a program"


def test_a_request_without_a_host_is_no_programs() -> None:
    assert is_of_a_page({})


def test_a_server_elsewhere_answers_under_its_own_name_too() -> None:
    assert not is_of_a_page({"host": "metrics:9464"}, host="metrics")
    assert is_of_a_page({"host": "evil.example:9464"}, host="metrics")
    assert is_of_a_page({"host": "metrics:9464", "origin": "http://evil.example"}, host="metrics")
