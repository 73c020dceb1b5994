"""Every answer is what the OpenAPI document says, and nothing that is asked ends in a 500."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.dashboard import Desk
from tests.support.environment import UNUSUAL_HOME, home_at
from tests.support.landed_market import FIRST, LAST, land, the_market
from tests.unit.dashboard.test_intraday import (
    CONTRACT,
    order,
    send_book,
    send_contract,
    send_trade,
)
from tests.unit.dashboard.test_open_positions import START, prices, state, stated

SPAN: Final = {"start": FIRST.isoformat(), "end": LAST.isoformat()}
OF_POSITIONS: Final = {"start": START.isoformat(), "end": (START + timedelta(days=1)).isoformat()}
RULE: Final = {
    "name": "DE above 300", "kind": "price", "topic": "source:energy_charts_price",
    "column": "price_eur_per_mwh", "where": {"bidding_zone": "DE-LU"}, "above": 300,
}  # fmt: skip
QUESTIONS: Final[Mapping[str, list[tuple[dict[str, str], dict[str, Any]]]]] = {
    "/api/catalogue": [({}, {}), ({}, {"search": "price"}), ({}, {"search": "nothing at all"})],
    "/api/sources/{source}": [
        ({"source": "energy_charts_price"}, {}),
        ({"source": "position"}, {}),
    ],
    "/api/range/{source}": [
        ({"source": "energy_charts_price"}, SPAN),
        ({"source": "energy_charts_price"}, {**SPAN, "limit": "3", "flags": "1"}),
        ({"source": "energy_charts_price"}, {**SPAN, "max_points": "4", "as_of": "PT1H"}),
        ({"source": "dwd_mosmix_forecast"}, {"start": FIRST.isoformat(), "run": "latest"}),
        ({"source": "nord_pool_intraday_trade"}, SPAN),
        ({"source": "agsi_storage"}, {"start": "2020-01-01"}),
    ],
    "/api/latest/{source}": [
        ({"source": "energy_charts_price"}, {"as_of": LAST.isoformat()}),
        ({"source": "position"}, {"flags": "1"}),
    ],
    "/api/forecast-errors/{what}": [
        ({"what": "load"}, {"bidding_zone": "DE-LU", "as_of": LAST.isoformat()})
    ],
    "/api/signals": [({}, {}), ({}, {"as_of": LAST.isoformat()})],
    "/api/contracts": [({}, {})],
    "/api/book/{area}/{contract}": [({"area": "DE-LU", "contract": CONTRACT}, {})],
    "/api/trades/{area}/{contract}": [({"area": "DE-LU", "contract": CONTRACT}, {})],
    "/api/bars/{area}/{contract}": [({"area": "DE-LU", "contract": CONTRACT}, {"every": "PT1M"})],
    "/api/positions/portfolios": [({}, {})],
    "/api/positions/open": [({}, OF_POSITIONS)],
    "/api/positions/changes": [({}, OF_POSITIONS)],
    "/api/positions/exposure": [({}, {"portfolio": "north"}), ({}, {})],
    "/api/positions": [({}, OF_POSITIONS), ({}, {**OF_POSITIONS, "history": "1"})],
    "/api/lineage/{source}": [
        ({"source": "energy_charts_price"}, {"offset": "0"}),
        ({"source": "energy_charts_price"}, {"offset": "999"}),
        ({"source": "energy_charts_price"}, {"bidding_zone": "DE-LU"}),
        ({"source": "position"}, {"portfolio": "north"}),
    ],
    "/api/alarms": [({}, {})],
    "/api/choices": [({}, {})],
    "/metrics": [({}, {})],
}
STREAMS: Final = {"/api/events", "/api/follow"}
MAY_BE_EMPTY: Final = {"/api/forecast-errors/{what}"}

NASTY: Final = (
    "", "-1", "1e400", "9" * 30, "\x00", "ä\ud7ff", "0001-01-01", "9999-12-31T23:59:59Z",
    "P99999999999D", "P999999D", "D-999999999 12:00 Europe/Berlin", "D-1 12:00 ../../etc/passwd",
    "[]", "a" * 3_000, "W10",
)  # fmt: skip
BODIES: Final = (
    b"", b"\x00", b"{", b"[]", b"null", b"1e999", b'"x"', b"[1, 2]", b'{"ids": "x"}',
    b'{"ids": [null]}', b'{"rows": 1}', b'{"rows": [[]]}', b'[{"portfolio": 1}]', b"\xff\xfe;",
    b"portfolio,area\n", b'{"name": "x"' * 1_000, b"[" * 5_000, b'{"a": ' * 2_000,
    json.dumps(RULE | {"above": "x"}).encode(), json.dumps(RULE | {"above": 1e308}).encode(),
    json.dumps(RULE | {"where": {"bidding_zone": [[]]}}).encode(),
    json.dumps(RULE | {"topic": "source:" + "x" * 150}).encode(),
    json.dumps(RULE | {"topic": "contracts:DE-LU"}).encode(),
    json.dumps(RULE | {"for_seconds": -1}).encode(),
    json.dumps(RULE | {"name": "\ud800"}).encode(),
    json.dumps(RULE | {"above": float("nan")}).encode(),
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk over two market days, a book and positions."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("contract") / UNUSUAL_HOME
        with home_at(home, patch), closing(Desk(home)) as desk:
            land(desk.batches, the_market())
            send_contract(desk, CONTRACT, START)
            send_book(desk, 1, buys=[order("a", 49.0, 5.0)], snapshot=True)
            send_trade(desk, "T1", "COMPLETED", 1)
            desk.store("energy_charts_price", prices(START, [77.5]))
            state(desk, stated(1.0, START - timedelta(hours=3)))
            state(desk, stated(12.0), stated(-4.0, kind="schedule", name="nomination"))
            yield desk


@pytest.fixture(scope="module")
def document(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.get("/api/openapi.json").json()
    return found


def described(document: Mapping[str, Any], path: str, method: str, answer: httpx.Response) -> None:
    """Require that an answer's status, type and body are described."""
    where = (method, str(answer.url)[:300], answer.status_code, answer.text[:300])
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, where
    content = responses[str(answer.status_code)].get("content", {})
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status_code == httpx.codes.NO_CONTENT:
        assert not content
        return
    assert media_type in content, where
    if media_type == "application/json":
        schema = {**content[media_type]["schema"], "components": document["components"]}
        problems = [
            error.message for error in Draft202012Validator(schema).iter_errors(answer.json())
        ]
        assert not problems, (where, problems[:3])


def test_every_resource_is_asked(document: Mapping[str, Any]) -> None:
    gets = {path for path, operations in document["paths"].items() if "get" in operations}
    assert gets == {*QUESTIONS, *STREAMS}, "a new resource belongs into QUESTIONS"


@pytest.mark.parametrize("path", QUESTIONS)
def test_an_answer_is_as_described(desk: Desk, document: Mapping[str, Any], path: str) -> None:
    for names, query in QUESTIONS[path]:
        answer = desk.get(path.format_map(names), **query)
        assert answer.status_code == 200, answer.text
        described(document, path, "get", answer)
        if "application/json" in answer.headers["content-type"] and path not in MAY_BE_EMPTY:
            told = answer.json()
            assert told.get("rows", told), "an answer without rows shows nothing of their form"
        for form in ("csv", "arrow", "parquet"):
            if any(one["name"] == "format" for one in parameters(document, path)):
                described(
                    document, path, "get", desk.get(path.format_map(names), **query, format=form)
                )


def parameters(document: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["paths"][path]["get"].get("parameters", [])
    return found


def test_what_is_changed_is_answered_as_described(desk: Desk, document: Mapping[str, Any]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{desk.port}", timeout=60) as client:
        rule = client.post("/api/alarms", json=RULE)
        assert rule.status_code == 201
        described(document, "/api/alarms", "post", rule)
        described(document, "/api/alarms", "get", client.get("/api/alarms"))
        seen = client.post("/api/alarms/seen", json={"ids": ["x"]})
        assert seen.status_code == 200
        described(document, "/api/alarms/seen", "post", seen)
        gone = client.delete(f"/api/alarms/{rule.json()['id']}")
        assert gone.status_code == 204
        described(document, "/api/alarms/{rule_id}", "delete", gone)
        row = {name: str(value) for name, value in stated(1.0).items() if name != "changed_by"}
        body = [
            row | {name: row[name].replace(" ", "T") for name in ("delivery_start", "delivery_end")}
        ]
        accepted = client.post("/api/positions", json=body)
        assert accepted.status_code == 202, accepted.text
        described(document, "/api/positions", "post", accepted)
        wrong = client.post("/api/positions", json=[body[0] | {"power_mw": "much"}])
        assert wrong.status_code == 400
        assert wrong.json()["rows"][0]["column"] == "power_mw"
        described(document, "/api/positions", "post", wrong)


def test_no_question_ends_in_a_fault(desk: Desk, document: Mapping[str, Any]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{desk.port}", timeout=60) as client:
        for path, operations in document["paths"].items():
            names, good = QUESTIONS.get(path, [({"rule_id": "x"}, {})])[0]
            for method, operation in operations.items():
                asked = list(operation.get("parameters", ()))
                if "{source}" in path:
                    keys = ("bidding_zone", "delivery_start")
                    asked += [{"name": name, "in": "query"} for name in keys]
                for one in asked:
                    for text in NASTY:
                        ask(client, document, (method, path), (names, good), (one, text))


def ask(
    client: httpx.Client,
    document: Mapping[str, Any],
    resource: tuple[str, str],
    good: tuple[dict[str, str], dict[str, Any]],
    nonsense: tuple[Mapping[str, Any], str],
) -> None:
    """Ask with one parameter that is nonsense, and look at the answer if there is an end to it."""
    (method, path), (names, query), (one, text) = resource, good, nonsense
    headers = {}
    if one["in"] == "path":
        names = {**names, one["name"]: quote(text, safe="") or "%20"}
    elif one["in"] == "query":
        query = {**query, one["name"]: text}
    else:
        headers = {one["name"]: quote(text)}
    if path in STREAMS:
        query = {"topics": "status", "sources": "position", **query}
    request = client.build_request(method, path.format_map(names), params=query, headers=headers)
    answer = client.send(request, stream=True)
    try:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            assert answer.status_code == 200
            return
        answer.read()
        assert answer.status_code < 500, (str(answer.url), answer.text)
        if answer.request.url.path.count("/") == path.count("/"):
            described(document, path, method, answer)
    finally:
        answer.close()


@pytest.mark.parametrize("path", ["/api/alarms", "/api/alarms/seen", "/api/positions"])
def test_no_body_ends_in_a_fault(desk: Desk, document: Mapping[str, Any], path: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{desk.port}", timeout=60) as client:
        for body in BODIES:
            for media_type in ("application/json", "text/csv", "x/y"):
                answer = client.post(path, content=body, headers={"Content-Type": media_type})
                described(document, path, "post", answer)
                if not answer.is_success:
                    assert 400 <= answer.status_code < 500, (body[:80], answer.text)
                    assert answer.json()["error"], body[:80]
