"""Alarms are raised by live rows, once, for whoever set them, and outlast a restart."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import polars as pl
import pytest
from pydantic import SecretStr

from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from energy_platform.dashboard.alarms import alarm_file
from energy_platform.dashboard.alarms.rules import Rule
from energy_platform.dashboard.alarms.tracks import PAUSE_SECONDS, Change, Track
from energy_platform.dashboard.alarms.watched_rule import WatchedRule
from energy_platform.operations.alerts import delivery
from energy_platform.settings import Settings, StatePlace
from tests.support.dashboard import Desk, Row, wait_until
from tests.support.webhook import served_webhook

SOURCE = "ceps_load"
TOPIC = "alarms:local"
QUARTER = timedelta(minutes=15)
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
RULE: dict[str, Any] = {
    "name": "Czech load", "kind": "imbalance", "topic": f"source:{SOURCE}", "column": "load_mw",
    "above": 100.0, "margin": 10.0,
}  # fmt: skip


def load(mw: float, quarter: int) -> pl.DataFrame:
    at = NOON + quarter * QUARTER
    return pl.DataFrame({"delivery_start": [at], "delivery_end": [at + QUARTER],
                         "load_mw": [mw], "load_including_pumping_mw": [mw]})  # fmt: skip


def prices(quarter: int, **zones: float) -> pl.DataFrame:
    at = NOON + quarter * QUARTER
    count = len(zones)
    return pl.DataFrame(
        {
            "bidding_zone": [zone.replace("_", "-") for zone in zones],
            "delivery_start": [at] * count, "delivery_end": [at + QUARTER] * count,
            "price_eur_per_mwh": [*zones.values()],
        }
    )  # fmt: skip


def post(desk: Desk, path: str, body: object, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{desk.port}{path}"
    return httpx.post(url, json=body, headers=headers, timeout=60)


def set_rule(desk: Desk, **changes: Any) -> Row:
    answer = post(desk, "/api/alarms", RULE | changes)
    assert answer.status_code == 201, answer.text
    rule: Row = answer.json()
    return rule


def alarms(desk: Desk) -> list[Row]:
    found: list[Row] = desk.get("/api/alarms").json()["alarms"]
    return found


def states(desk: Desk) -> list[str]:
    return [one["state"] for one in alarms(desk)]


def user(desk: Desk, name: str, role: Role, scope: Scope = Scope.POSITIONS) -> str:
    home = desk.settings.home
    UserList.of(home).put(User(name=name, role=role, portfolios=("wind",)))
    return Tokens.of(StatePlace(home)).make(name, scope, seconds=600)


def test_a_live_row_raises_an_alarm_and_a_later_one_clears_it(desk: Desk) -> None:
    rule = set_rule(desk)
    desk.show(SOURCE, load(90.0, 0))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: page.snapshots.get(TOPIC) == 1)
        desk.show(SOURCE, load(120.0, 1))
        page.until(lambda: page.rows[TOPIC])
        [row] = page.rows[TOPIC].values()
        assert (row["rule"], row["state"], row["value"]) == (rule["id"], "raised", 120.0)
        assert (row["row"], row["sound"], row["seen_by"]) == (SOURCE, True, None)
        assert row["text"] == "Czech load: load_mw 120, above 100 (ceps_load)"
        # Within the margin nothing changes, nor does a second value beyond raise a second alarm.
        desk.show(SOURCE, load(95.0, 2))
        desk.show(SOURCE, load(130.0, 3))
        desk.show(SOURCE, load(90.0, 4))
        page.until(lambda: [one["state"] for one in page.rows[TOPIC].values()] == ["cleared"])
        [cleared] = page.rows[TOPIC].values()
        assert cleared["value"] == 90.0
        assert cleared["cleared_at"] >= cleared["since"]
    assert alarms(desk) == [cleared | {"id": row["id"]}]


def test_what_was_seen_stays_seen_and_rules_outlast_a_restart(
    desk: Desk,
) -> None:
    rule = set_rule(desk)
    desk.show(SOURCE, load(120.0, 1))
    wait_until(lambda: states(desk) == ["raised"])
    [alarm] = alarms(desk)
    assert post(desk, "/api/alarms/seen", {"ids": [alarm["id"], "none"]}).json() == {"seen": 1}
    kept = alarm_file.AlarmFile.of(desk.settings.state)
    wait_until(lambda: [one.seen_by for one in kept.alarms().get("local", [])] == ["local"])
    desk.end_server()
    desk.serve()
    wait_until(lambda: states(desk) == ["raised"])
    [restored] = alarms(desk)
    assert restored["seen_by"] == "local"
    assert (restored["id"], restored["since"]) == (alarm["id"], alarm["since"])
    assert desk.get("/api/alarms").json()["rules"] == [rule]
    desk.show(SOURCE, load(50.0, 2))
    wait_until(lambda: states(desk) == ["cleared"])


def test_what_cleared_while_the_server_was_down_is_cleared(desk: Desk) -> None:
    set_rule(desk)
    desk.show(SOURCE, load(120.0, 1))
    kept = alarm_file.AlarmFile.of(desk.settings.state)
    wait_until(lambda: [one.state for one in kept.alarms().get("local", [])] == [Change.RAISED])
    desk.end_server()
    desk.show(SOURCE, load(50.0, 2))
    desk.serve()
    wait_until(lambda: states(desk) == ["cleared"])


def test_a_removed_rule_takes_its_alarm_with_it(desk: Desk) -> None:
    rule = set_rule(desk)
    desk.show(SOURCE, load(120.0, 1))
    wait_until(lambda: states(desk) == ["raised"])
    url = f"http://127.0.0.1:{desk.port}/api/alarms/{rule['id']}"
    assert httpx.delete(url).status_code == 204
    assert httpx.delete(url).status_code == 404
    wait_until(lambda: states(desk) == ["cleared"])
    assert desk.get("/api/alarms").json()["rules"] == []
    told = [one.action for one in AuditLog.of(desk.settings.state).newest(10)]
    assert told == ["alarm removed", "alarm set"]


def test_a_spread_is_between_two_zones_of_one_moment(desk: Desk) -> None:
    set_rule(
        desk, kind="spread", topic="source:energy_charts_price", column="price_eur_per_mwh",
        where={"bidding_zone": "DE-LU"}, minus={"bidding_zone": "FR"}, above=30.0, margin=0,
    )  # fmt: skip
    desk.show("energy_charts_price", prices(0, DE_LU=50.0, FR=40.0))
    # The newer quarter-hour of one zone alone says nothing of the spread.
    desk.show("energy_charts_price", prices(1, DE_LU=90.0))
    desk.show("energy_charts_price", prices(1, FR=55.0))
    wait_until(lambda: states(desk) == ["raised"])
    assert [(one["row"], one["value"]) for one in alarms(desk)] == [("DE-LU", 35.0)]


def test_no_alarm_of_another_user_and_none_on_what_a_user_may_not_see(desk: Desk) -> None:
    anne, bob = user(desk, "anne", Role.TRADER), user(desk, "bob", Role.VIEWER, Scope.READ)
    made = post(desk, "/api/alarms", RULE, anne)
    assert made.status_code == 201, made.text
    of_all = RULE | {"topic": "source:position", "column": "power_mw"}
    assert post(desk, "/api/alarms", of_all, anne).status_code == 403
    assert post(desk, "/api/alarms", RULE | {"channels": True}, bob).status_code == 403
    assert post(desk, "/api/alarms", RULE | {"id": made.json()["id"]}, bob).status_code == 422
    address = f"http://127.0.0.1:{desk.port}/api/alarms"
    of_bob = httpx.get(address, headers={"Authorization": f"Bearer {bob}"}).json()
    assert of_bob == {"rules": [], "alarms": []}
    with desk.page(**{"alarms:anne": None}) as page:
        page.until(lambda: page.errors.get("alarms:anne"))
        assert "may not see" in page.errors["alarms:anne"]
    # A user who leaves has no alarms any more: not from the next time on that rules are read.
    UserList.of(desk.settings.home).remove("anne")
    set_rule(desk)
    set_rule(desk, name="low", above=None, below=60.0)
    desk.show(SOURCE, load(50.0, 1))
    wait_until(lambda: states(desk) == ["raised"])
    kept = alarm_file.AlarmFile.of(desk.settings.state)
    desk.show(SOURCE, load(120.0, 2))
    wait_until(lambda: len(kept.alarms().get("local", ())) == 2)
    assert "anne" not in kept.alarms()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"below": 1.0}, "either above or below"),
        ({"above": None}, "either above or below"),
        ({"column": "price"}, "column"),
        ({"where": {"zone": "FR"}}, "where"),
        ({"topic": "status"}, "topic"),
        ({"topic": "contracts:DE-LU:XX"}, "topic"),
        ({"margin": -1}, "margin"),
        ({"name": " "}, "name"),
        ({"for_seconds": 1e9}, "for_seconds"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    desk: Desk, changes: dict[str, Any], says: str
) -> None:
    answer = post(desk, "/api/alarms", RULE | changes)
    assert answer.status_code == 422
    assert says in answer.json()["error"]


def test_no_more_rules_than_the_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_file, "MOST_RULES", 2)
    first = set_rule(desk)
    set_rule(desk)
    assert post(desk, "/api/alarms", RULE).status_code == 422
    assert set_rule(desk, id=first["id"], name="other")["name"] == "other"


def test_the_alert_channels_are_told_once_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_BETWEEN_MESSAGES", timedelta())
    monkeypatch.setattr(delivery, "_FIRST_PAUSE_SECONDS", 0.05)
    with served_webhook() as hook:
        hook.status = 500
        desk.end_server()
        desk.settings = Settings(
            home=desk.settings.home,
            hot_days=36_500,
            alert_urls=SecretStr(f"json://127.0.0.1:{hook.port}/x"),
        )
        desk.serve()
        set_rule(desk, channels=True, name="High\nload")
        set_rule(desk, channels=False, name="told to nobody")
        desk.show(SOURCE, load(120.0, 1))
        wait_until(lambda: hook.paths)
        hook.status = 200
        wait_until(lambda: hook.bodies)
        desk.show(SOURCE, load(10.0, 2))
        wait_until(lambda: len(hook.bodies) == 2)
    told = [json.loads(body)["message"] for body in hook.bodies]
    text = "High load: load_mw 120, above 100 (ceps_load)"
    assert told == [f"PROBLEM: {text}", f"OVER: {text}; now 10"]


def rule(**changes: Any) -> Rule:
    return Rule.model_validate(RULE | changes)


def turns(values: list[tuple[float, float]], tested: Rule) -> list[tuple[float, Change]]:
    track = Track()
    heard = [(at, track.hear(value, tested, at)) for at, value in values]
    return [(at, change) for at, change in heard if change is not None]


def test_a_value_must_be_beyond_for_as_long_as_the_rule_says() -> None:
    tested = rule(for_seconds=5)
    values = [
        (0, 120),
        (3, 90),
        (4, 120),
        (8, 130),
        (9, 130),
        (10, 95),
        (11, 80),
        (15, 80),
        (16, 80),
    ]
    assert turns([(float(at), float(mw)) for at, mw in values], tested) == [
        (9.0, Change.RAISED),
        (16.0, Change.CLEARED),
    ]


def test_time_alone_raises_an_alarm() -> None:
    track, tested = Track(), rule(for_seconds=5)
    assert track.hear(120.0, tested, 0.0) is None
    assert track.look(tested, 4.9) is None
    assert track.look(tested, 5.0) is Change.RAISED
    assert track.look(tested, 99.0) is None


def test_a_fluttering_value_raises_one_alarm_in_a_pause() -> None:
    flutter = [(at / 10, 120.0 if at % 2 == 0 else 50.0) for at in range(int(PAUSE_SECONDS) * 10)]
    assert [change for _, change in turns(flutter, rule())] == [Change.RAISED, Change.CLEARED]


def test_below_is_the_mirror_of_above() -> None:
    tested = rule(above=None, below=49.9, margin=0.05)
    values = [(0.0, 49.95), (1.0, 49.85), (2.0, 49.92), (3.0, 49.95)]
    assert turns(values, tested) == [(1.0, Change.RAISED), (3.0, Change.CLEARED)]


def test_a_row_that_goes_clears_its_alarm_also_unseen() -> None:
    watched = WatchedRule("anne", rule())
    rows: list[Row] = [{"id": one, "load_mw": 200.0} for one in ("a", "b")]
    raised = watched.hear(rows, (), 0.0, is_all=True)
    assert {(turn.row, turn.change) for turn in raised} == {
        ("a", Change.RAISED),
        ("b", Change.RAISED),
    }
    assert [(turn.row, turn.change) for turn in watched.hear((), ["a"], 1.0, is_all=False)] == [
        ("a", Change.CLEARED)
    ]
    # All rows, after a restart, and `b` is not among them.
    left = watched.hear((), (), 2.0, is_all=True)
    assert [(turn.row, turn.change) for turn in left] == [("b", Change.CLEARED)]
