"""Every panel of the dashboard over our own API asks what the real server answers with rows."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from energy_platform.grafana import files
from energy_platform.market.registry import market_sources
from energy_platform.settings import Login
from tests.support.dashboard import Desk
from tests.support.environment import UNUSUAL_HOME, home_at
from tests.support.testcases import case_messages
from tests.unit.dashboard.test_intraday import CONTRACT, HOUR, send_contract

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "testcases"
SPAN = {"from": "2000-01-01T00:00:00.000Z", "to": "2100-01-01T00:00:00.000Z"}
MADE = files(market_sources().values())
DASHBOARD = json.loads(MADE[Path("dashboards/api.json")])
PANELS = {one["title"]: one for one in DASHBOARD["panels"] if one["type"] != "row"}
[DATA_SOURCE] = [
    one
    for one in yaml.safe_load(MADE[Path("provisioning/datasources/energy_platform.yaml")])[
        "datasources"
    ]
    if one["uid"] == "energy-platform-api"
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a login that holds what the sources' test cases give."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("grafana") / UNUSUAL_HOME
        with home_at(home, patch):
            UserList.of(home).put(User(name="grafana", role=Role.VIEWER))
            with closing(Desk(home, stores={"login": Login.USERS})) as desk:
                for name in PANELS.keys() & market_sources().keys():
                    source = market_sources()[name]
                    for case in sorted((CASES / name).iterdir()):
                        desk.batches.landing.guest(name).append(case_messages(source, case))
                    desk.batch(name)
                tomorrow = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + 3 * HOUR
                send_contract(desk, CONTRACT, tomorrow)
                yield desk


@pytest.fixture(scope="module")
def asker(desk: Desk) -> Iterator[httpx.Client]:
    """Ask as Infinity does with the provisioned data source."""
    token = Tokens.of(desk.settings.state).make("grafana", Scope.READ, seconds=600)
    told = {
        "$ENERGY_PLATFORM_DASHBOARD_URL": f"http://127.0.0.1:{desk.port}",
        "$ENERGY_PLATFORM_GRAFANA_TOKEN": token,
    }
    assert DATA_SOURCE["jsonData"]["auth_method"] == "bearerToken"
    assert DATA_SOURCE["jsonData"]["allowedHosts"] == [DATA_SOURCE["url"]]
    bearer = told[DATA_SOURCE["secureJsonData"]["bearerToken"]]
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=told[DATA_SOURCE["url"]], headers=headers, timeout=60) as client:
        yield client


def filled(text: str) -> str:
    """Fill in the variables as Grafana does."""
    for name, instant in SPAN.items():
        text = text.replace(f"${{__{name}:date:iso}}", instant)
    assert "$" not in text
    return text


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_asks_what_is_answered_with_rows(asker: httpx.Client, title: str) -> None:
    panel = PANELS[title]
    [target] = panel["targets"]
    for asking in (panel, target):
        assert asking["datasource"] == {"type": DATA_SOURCE["type"], "uid": DATA_SOURCE["uid"]}
    asked = {one["key"]: filled(one["value"]) for one in target["url_options"]["params"]}
    answer = asker.request(target["url_options"]["method"], target["url"], params=asked)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()[target["root_selector"]]
    assert rows, answer.url
    for column in target["columns"]:
        assert all(column["selector"] in row for row in rows), column
        values = [row[column["selector"]] for row in rows if row[column["selector"]] is not None]
        if column["type"] == "number":
            assert all(isinstance(one, int | float) for one in values), column
        elif column["type"] == "timestamp":
            assert all(datetime.fromisoformat(one).tzinfo is UTC for one in values), column
    numbers = [one["selector"] for one in target["columns"] if one["type"] == "number"]
    if target["format"] == "timeseries":
        [time] = [one["selector"] for one in target["columns"] if one["type"] == "timestamp"]
        times = [row[time] for row in rows]
        assert times == sorted(times), "the backend makes lines of rows in the order of time"
        assert any(row[name] is not None for row in rows for name in numbers)
        texts = [one["selector"] for one in target["columns"] if one["type"] == "string"]
        of_lines = [tuple(row[name] for name in (time, *texts)) for row in rows]
        assert len(of_lines) == len(set(of_lines)), "a line has one value at a time"


def test_without_the_token_there_is_no_answer(desk: Desk) -> None:
    assert desk.get("/api/catalogue").status_code == 401


def test_most_sources_have_a_panel() -> None:
    assert "position" not in PANELS
    left_out = {
        name for name, one in market_sources().items() if one.entitlement is None
    } - PANELS.keys()
    assert left_out == {"entsoe_outage", "nord_pool_intraday_order_book",
                        "nord_pool_intraday_trade", "regelleistung_tender"}  # fmt: skip
