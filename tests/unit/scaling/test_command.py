"""`energy-platform scale`: what it asks of its settings, and what it says when nothing works."""

import json
from pathlib import Path

import pytest

from energy_platform.errors import UsageError
from energy_platform.settings import settings
from tests.support.cloud_run import PREFIX
from tests.support.commands import command_in_process
from tests.support.environment import forget_cached


@pytest.fixture(autouse=True)
def _pools(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_SCALE_POOLS", PREFIX)
    monkeypatch.setenv("ENERGY_PLATFORM_BROKER_URL", "redis://nobody:secret@127.0.0.1:9/0")
    forget_cached()


def test_a_look_that_fails_is_told_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = command_in_process(monkeypatch, capsys)("scale", "--once", "--json")
    assert answer.code == 1
    told = json.loads(answer.out)
    assert [(one["pool"], one["before"], one["after"]) for one in told] == [
        ("worker", None, None),
        ("collector", None, None),
    ]
    assert all("the broker does not answer" in one["trouble"] for one in told)
    assert "secret" not in answer.out + answer.error


@pytest.mark.parametrize("variable", ["SCALE_POOLS", "BROKER_URL"])
def test_it_needs_pools_and_a_broker(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(f"ENERGY_PLATFORM_{variable}")
    forget_cached()
    answer = command_in_process(monkeypatch, capsys)("scale", "--once")
    assert answer.code == 2
    assert variable in answer.error


def test_fewer_at_most_than_at_least_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_SCALE_WORKERS_LEAST", "9")
    forget_cached()
    with pytest.raises(UsageError, match="SCALE_WORKERS_LEAST is more than"):
        settings()
