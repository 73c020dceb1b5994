"""Positions are handed in by who may, and read by who may see the portfolio; everywhere."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp

from energy_platform.dashboard.access import guarded
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role, Visitor, Way
from energy_platform.dashboard.entitlement import (
    NotEntitledError,
    asked_portfolios,
    require_may_watch,
)
from energy_platform.dashboard.server import app as dashboard
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.status import Status
from energy_platform.feeds.drop_folder import inbox as inboxes
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.settings import Login, Settings
from tests.support.guarded_app import client, with_users

HEADER = "portfolio,area,kind,name,delivery_start,delivery_end,power_mw\n"
START = datetime(2026, 3, 28, 10, tzinfo=UTC)


def line(portfolio: str, power: str = "5", name: str = "", start: datetime = START) -> str:
    end = start + timedelta(minutes=15)
    named = name or f"deal-{portfolio}"
    return f"{portfolio},DE-LU,contract,{named},{start.isoformat()},{end.isoformat()},{power}\n"


@pytest.fixture
def settings(home: Path) -> Settings:
    made = with_users(home)
    UserList.of(home).put(User(name="dave", role=Role.TRADER, portfolios=("heliodor",)))
    return made


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[ASGIApp]:
    inner = dashboard(settings)
    async with inner.router.lifespan_context(inner):
        yield guarded(inner, settings)


def bearer(settings: Settings, user: str, scope: Scope = Scope.POSITIONS) -> dict[str, str]:
    token = Tokens.of(settings.state).make(user, scope, seconds=600)
    return {"Authorization": f"Bearer {token}"}


async def handed_in(
    app: ASGIApp, settings: Settings, user: str, body: bytes | str, scope: Scope = Scope.POSITIONS
) -> httpx.Response:
    async with client(app) as asker:
        return await asker.post(
            "/api/positions", content=body, headers=bearer(settings, user, scope)
        )


def waiting(settings: Settings) -> list[Path]:
    folder = Inbox.of(settings.home, "position").folder
    return sorted(folder.iterdir()) if folder.exists() else []


def noted(settings: Settings) -> list[Any]:
    entries = AuditLog.of(settings.state).newest(50)
    return [(one.user, one.detail) for one in entries if one.action == "positions handed in"]


async def test_a_trader_hands_in_rows_of_their_portfolio(app: ASGIApp, settings: Settings) -> None:
    body = HEADER + line("wind") + line("wind", name="<script>alert(1)</script>")
    answer = await handed_in(app, settings, "bob", body)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["rows"], told["portfolios"]) == (2, ["wind"])
    inbox = Inbox.of(settings.home, "position")
    [one] = inbox.waiting()
    document = inbox.read(one)
    assert document is not None
    assert document.body == body.encode()
    assert document.context["sender"] == "bob"
    assert document.context["submission"] == told["id"]
    [(user, detail)] = noted(settings)
    assert user == "bob"
    assert detail == {"submission": told["id"], "rows": 2, "portfolios": ["wind"]}


async def test_json_is_as_good(app: ASGIApp, settings: Settings) -> None:
    row = {"portfolio": "wind", "area": "DE-LU", "kind": "schedule", "name": "n",
           "delivery_start": "2026-03-28T10:00Z", "delivery_end": "2026-03-28T10:15Z",
           "power_mw": -1.5}  # fmt: skip
    answer = await handed_in(app, settings, "bob", json.dumps([row]))
    assert answer.status_code == 202, answer.text


async def test_a_foreign_portfolio_refuses_the_whole(app: ASGIApp, settings: Settings) -> None:
    for wrong in ("5", "x"):  # whether its row is right or not
        body = HEADER + line("wind") + line("heliodor", wrong)
        answer = await handed_in(app, settings, "bob", body)
        assert answer.status_code == 403
        assert "heliodor" in answer.json()["error"]
    assert not waiting(settings)
    assert not noted(settings)


@pytest.mark.parametrize(
    ("user", "scope"), [("carol", Scope.POSITIONS), ("bob", Scope.READ), ("alice", Scope.READ)]
)
async def test_who_may_only_look_may_not(
    app: ASGIApp, settings: Settings, user: str, scope: Scope
) -> None:
    answer = await handed_in(app, settings, user, HEADER + line("wind"), scope)
    assert answer.status_code == 403
    assert not waiting(settings)


async def test_every_bad_row_is_named(app: ASGIApp, settings: Settings) -> None:
    body = HEADER + line("wind") + "\n" + line("wind", "five", "b") + line("wind", "1e9", "c")
    body += "wind,DE-LU,contract\n" + line("wind", name="d").replace("+00:00", "")
    answer = await handed_in(app, settings, "bob", body)
    assert answer.status_code == 400
    told = [(row["line"], row["column"]) for row in answer.json()["rows"]]
    assert told == [(4, "power_mw"), (5, "power_mw"), (6, None), (7, "delivery_start")]
    assert "no offset" in answer.json()["rows"][-1]["reason"]
    assert not waiting(settings)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no line"),
        (b"PK\x03\x04", "no column"),
        (HEADER.encode(), "no row"),
        (b'{"rows": 5}', "rows"),
        (b"\xff\xfe\x00", "column"),
    ],
)
async def test_what_is_no_document_is_refused(
    app: ASGIApp, settings: Settings, body: bytes, says: str
) -> None:
    answer = await handed_in(app, settings, "bob", body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


async def test_nobody_hands_in_for_another(app: ASGIApp, settings: Settings) -> None:
    body = HEADER.replace("power_mw", "power_mw,changed_by") + line("wind", "5,alice")
    answer = await handed_in(app, settings, "bob", body)
    assert answer.status_code == 400
    assert "not you" in answer.json()["rows"][0]["reason"]


async def test_bounds_hold(
    app: ASGIApp, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await handed_in(app, settings, "bob", b"x" * (inboxes.MOST_BYTES + 1))
    assert answer.status_code == 413
    monkeypatch.setattr(inboxes, "MOST_WAITING", 0)
    answer = await handed_in(app, settings, "bob", HEADER + line("wind"))
    assert answer.status_code == 503
    assert not noted(settings)


async def test_a_page_needs_its_csrf_token(app: ASGIApp, settings: Settings) -> None:
    async with client(app) as asker:
        await asker.post("/login", data={"user": "bob", "password": "correct horse battery"},
                         headers={"Origin": "http://localhost:3070"})  # fmt: skip
        body = (HEADER + line("wind")).encode()
        assert (await asker.post("/api/positions", content=body)).status_code == 403
        csrf = (await asker.get("/api/me")).json()["csrf"]
        answer = await asker.post("/api/positions", content=body, headers={"X-CSRF-Token": csrf})
        assert answer.status_code == 202, answer.text


async def test_without_login_this_machine_may(home: Path) -> None:
    settings = Settings(home=home, login=Login.NONE)
    inner = dashboard(settings)
    async with inner.router.lifespan_context(inner), client(guarded(inner, settings)) as asker:
        answer = await asker.post("/api/positions", content=HEADER + line("anything"))
        assert answer.status_code == 202, answer.text


@pytest.fixture
def landed(settings: Settings) -> Settings:
    """Rows and failures of two portfolios, in one message and in messages of their own."""
    bad = "{portfolio},DE-LU,secret-{portfolio},x,2026-03-28T10:00Z,2026-03-28T10:15Z,5\n"
    bodies = [
        HEADER + line("wind") + line("heliodor", "7"),
        HEADER + line("wind", "6"),
        HEADER + line("heliodor", "8"),
        HEADER + bad.format(portfolio="heliodor") + bad.format(portfolio="wind"),
        "nonsense of heliodor",
    ]
    batches = open_micro_batches(settings)
    source = market_source("position")
    messages = [
        RawMessage(body=body.encode(), received_at=START - timedelta(hours=5 - number),
                   context={"sender": "alice", "file": f"{number}.csv"})
        for number, body in enumerate(bodies)
    ]  # fmt: skip
    batches.landing.guest("position").append(messages)
    while batches.is_behind(source):
        batches.run(source)
    return settings


WINDOW = f"start={START:%Y-%m-%dT%H:%M:%SZ}&end={START + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
NAMED = {"source": "position", "what": "load", "area": "DE-LU", "contract": "NONE"}
"""What a parameter in a path stands for here."""
NEEDED = {"bidding_zone": "DE-LU"}
"""What a question must say."""
VARIED = {
    "as_of": f"{START + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
    "flags": "1",
    "history": "1",
    "max_points": "10",
    "offset": ("0", "1", "2", "3", "4"),
}
"""What a question may say besides."""
OF_A_VALUE = (
    "/api/lineage/position?name=deal-wind",
    "/api/lineage/position?name=deal-heliodor",
    "/api/lineage/position?kind=secret-heliodor",
)
"""A lineage needs a key column, of which OpenAPI does not know."""
STREAMS = {"/api/events", "/api/follow"}
"""They don't end; who may watch which topic and source has tests of its own."""


def every_route(inner: FastAPI) -> Iterator[str]:
    """Yield the address of every GET resource of the application, with what it may be asked."""
    for path, operations in inner.openapi()["paths"].items():
        if "get" not in operations or path in STREAMS:
            continue
        known = {one["name"] for one in operations["get"].get("parameters", ())}
        always = [f"{name}={value}" for name, value in NEEDED.items() if name in known]
        always += [WINDOW] if {"start", "end"} <= known else []
        address = path.format_map(NAMED)
        if not path.startswith("/api/lineage/"):
            yield f"{address}?{'&'.join(always)}"
        for name, values in VARIED.items():
            for value in [values] if isinstance(values, str) else values:
                if name in known:
                    yield f"{address}?{'&'.join([*always, f'{name}={value}'])}"
    yield from OF_A_VALUE


def test_the_routes_are_those_of_the_application(settings: Settings) -> None:
    inner = dashboard(settings)
    told = {one.partition("?")[0] for one in every_route(inner)}
    served = {
        route.path.format_map(NAMED)
        for route in iter_route_contexts(inner.routes)
        if route.path and route.methods and "GET" in route.methods
    }
    undocumented = {"/", "/api/docs", "/api/openapi.json"}
    assert served - told == STREAMS | undocumented
    assert {"/api/range/position", "/api/positions/changes", "/metrics"} <= told


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_no_route_shows_a_portfolio_to_who_may_not_see_it(
    app: ASGIApp, landed: Settings, form: str
) -> None:
    shown = dict.fromkeys(("alice", "bob", "dave", "carol"), "")
    async with client(app) as asker:
        for route in every_route(dashboard(landed)):
            for user in shown:
                headers = bearer(landed, user, Scope.READ)
                if form == "csv":
                    headers["Accept"] = "text/csv"
                answer = await asker.get(route, headers=headers)
                assert answer.status_code == 200, (route, answer.text)
                shown[user] += answer.text
    for word in ("heliodor", "nonsense", "2.csv", "4.csv", "secret-heliodor"):
        assert word not in shown["bob"], word
        assert word not in shown["carol"], word
    for word in ("deal-wind", "secret-wind", "1.csv"):
        assert word not in shown["dave"], word
        assert word not in shown["carol"], word
    for user, portfolio in (
        ("alice", "heliodor"),
        ("alice", "wind"),
        ("bob", "wind"),
        ("dave", "heliodor"),
    ):
        assert f"secret-{portfolio}" in shown[user], (user, portfolio)
        assert f"deal-{portfolio}" in shown[user], (user, portfolio)


@pytest.mark.parametrize(
    "route",
    [
        f"/api/range/position?{WINDOW}&portfolio=heliodor",
        f"/api/range/position?{WINDOW}&portfolio=*",
        f"/api/positions/open?{WINDOW}&portfolio=*",
        f"/api/positions/changes?{WINDOW}&portfolio=wind&portfolio=heliodor",
        "/api/latest/position?portfolio=heliodor",
        f"/api/positions?{WINDOW}&portfolio=heliodor",
        f"/api/positions?{WINDOW}&portfolio=wind&portfolio=heliodor&history=1",
        "/api/lineage/position?portfolio=heliodor",
    ],
)
async def test_to_ask_for_a_foreign_portfolio_is_refused(
    app: ASGIApp, landed: Settings, route: str
) -> None:
    async with client(app) as asker:
        answer = await asker.get(route, headers=bearer(landed, "bob", Scope.READ))
        assert answer.status_code == 403
        assert (await asker.get(route, headers=bearer(landed, "alice"))).status_code == 200


@pytest.mark.parametrize(
    "route",
    [
        f"/api/range/position?{WINDOW}",
        "/api/latest/position?as_of=2026-03-28T10:05:00Z",
        "/api/lineage/position?area=DE-LU",
        f"/api/positions?{WINDOW}",
        f"/api/positions?{WINDOW}&history=1",
        f"/api/positions/open?{WINDOW}&as_of=2026-03-28T10:05:00Z",
        f"/api/positions/changes?{WINDOW}",
    ],
)
async def test_a_star_asks_for_every_portfolio(app: ASGIApp, landed: Settings, route: str) -> None:
    everyone = bearer(landed, "alice", Scope.READ)
    async with client(app) as asker:
        unnamed = (await asker.get(route, headers=everyone)).json()
        starred = (await asker.get(f"{route}&portfolio=*", headers=everyone)).json()
        refused = await asker.get(f"{route}&portfolio=*", headers=bearer(landed, "bob"))
    assert starred == unnamed
    assert all(f'"{name}"' in json.dumps(starred) for name in ("wind", "heliodor"))
    assert refused.status_code == 403


def test_a_star_among_portfolios_is_all_of_them() -> None:
    def who(*portfolios: str) -> Visitor:
        return Visitor(name="x", role=Role.VIEWER, portfolios=portfolios, way=Way.SESSION)

    assert asked_portfolios(who("wind", "*")) == ("*",)
    assert asked_portfolios(who("wind", "*"), ["wind"]) == ("wind",)
    assert asked_portfolios(who("*"), ["wind", "*"]) == ("*",)
    assert asked_portfolios(who("wind", "sun")) == ("wind", "sun")
    assert asked_portfolios(who()) == ()
    with pytest.raises(NotEntitledError):
        asked_portfolios(who("wind"), ["*"])


async def test_one_answer_is_not_given_to_another(app: ASGIApp, landed: Settings) -> None:
    """The same question at the same moment is asked once, but not across rights."""
    route = f"/api/range/position?{WINDOW}"
    async with client(app) as asker:
        first = await asker.get(route, headers=bearer(landed, "alice", Scope.READ))
        second = await asker.get(route, headers=bearer(landed, "bob", Scope.READ))
    assert {row["portfolio"] for row in first.json()["rows"]} == {"heliodor", "wind"}
    assert {row["portfolio"] for row in second.json()["rows"]} == {"wind"}


async def test_who_changed_what_when(app: ASGIApp, landed: Settings) -> None:
    async with client(app) as asker:
        route = f"/api/positions?{WINDOW}"
        headers = bearer(landed, "bob", Scope.READ)
        [now] = (await asker.get(route, headers=headers)).json()["rows"]
        history = (await asker.get(f"{route}&history=1", headers=headers)).json()["rows"]
        before = f"{route}&as_of={history[1]['received_at']}"
        [then] = (await asker.get(before, headers=headers)).json()["rows"]
    assert (now["open_mw"], then["open_mw"]) == (6.0, 5.0)
    assert [row["power_mw"] for row in history] == [6.0, 5.0]
    assert [row["changed_by"] for row in history] == ["alice", "alice"]


def test_the_topic_of_all_rows_is_for_who_may_see_all() -> None:
    bob = Visitor(name="bob", role=Role.TRADER, portfolios=("wind",), way=Way.TOKEN)
    with pytest.raises(NotEntitledError, match="every portfolio"):
        require_may_watch(bob, "source:position")
    require_may_watch(replace(bob, portfolios=("*",)), "source:position")
    require_may_watch(bob, "source:energy_charts_price")


def test_the_status_that_all_share_names_no_reason(landed: Settings) -> None:
    stores = Stores.open(landed)
    told = Status(stores).load().rows
    [position] = [row for row in told if row["id"] == "position"]
    assert position["quarantined"] == 3
    assert not position["reasons"]
