"""`alerts`, `layout` and `status` show what is wrong, and what to do about it works."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from energy_platform.cli import app
from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import settings
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE, NOON, example_message
from tests.support.stores import land, run_all

pytestmark = pytest.mark.usefixtures("example_known")

DRIFTED = {"zone": "CZ", "quarter": 0, "price": 1.0, "price_forecast": 2}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def ingest(batches: MicroBatches, record: dict[str, Any]) -> None:
    body = json.dumps([record]).encode()
    land(batches, [replace(example_message(body), received_at=NOON)])
    for report in run_all(batches):
        BatchHistory(settings().state).add(report)


def status_of_example() -> dict[str, Any]:
    sources = json.loads(run("status", "--json").stdout)["sources"]
    return next(one for one in sources if one["name"] == EXAMPLE.name)


def test_a_drift_is_shown_and_accepted(platform_batches: MicroBatches) -> None:
    ingest(platform_batches, {name: DRIFTED[name] for name in ("zone", "quarter", "price")})
    assert run("layout", EXAMPLE.name).stdout == "No difference in 1 message.\n"
    ingest(platform_batches, DRIFTED)
    shown = run("layout", EXAMPLE.name)
    assert shown.exit_code == 1
    assert shown.stdout == ("new field `price_forecast` (number)\nDiffers in 2 messages.\n")
    assert status_of_example()["drift"] == ["new field `price_forecast` (number)"]
    assert "layout: new field `price_forecast`" in " ".join(run("status").stdout.split())

    accepted = run("layout", EXAMPLE.name, "--accept", "--json")
    assert accepted.exit_code == 0
    assert json.loads(accepted.stdout) == {
        "differences": ["new field `price_forecast` (number)"],
        "accepted": True,
    }
    assert run("layout", EXAMPLE.name).exit_code == 0
    assert status_of_example()["drift"] == []
    ingest(platform_batches, DRIFTED)
    assert status_of_example()["drift"] == []


def test_status_says_since_when_and_what_is_missing(platform_batches: MicroBatches) -> None:
    ingest(platform_batches, {"zone": "CZ", "quarter": 0, "price": 1.0})
    said = status_of_example()
    assert said["state"] == "late"
    assert said["late"]["since"] == (NOON + EXAMPLE.expected_lag).isoformat()
    assert said["late"]["missing"] == "values after 2026-03-01 12:00:00 UTC"
    assert said["quarantine_rate"] == 0.0
    ingest(platform_batches, {"zone": "nowhere", "quarter": 0, "price": 1.0})
    assert status_of_example()["quarantine_rate"] == 0.5


def test_alerts_are_listed_once_told(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("alerts").stdout == "Nothing is wrong.\n"
    monkeypatch.setattr(conditions, "_BRIEF", timedelta())
    ingest(platform_batches, {"zone": "CZ", "quarter": 0, "price": 1.0})
    look(settings(), platform_batches)
    [listed] = json.loads(run("alerts", "--json").stdout)
    assert listed["key"] == f"late:{EXAMPLE.name}"
    assert datetime.fromisoformat(listed["told_at"]) > datetime.now(UTC) - timedelta(minutes=1)
    assert "is late since" in " ".join(run("alerts").stdout.split())


def test_a_trial_without_an_address_says_what_to_set() -> None:
    with pytest.raises(UsageError, match="ENERGY_PLATFORM_ALERT_URLS names no address"):
        raise run("alerts", "--test").exception or AssertionError


def test_a_trial_names_what_was_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_ALERT_URLS", "json://127.0.0.1:9/s3cret")
    forget_cached()
    with pytest.raises(EnergyPlatformError, match=r"not reached: alert address 1 \(JSON\)$"):
        raise run("alerts", "--test").exception or AssertionError
