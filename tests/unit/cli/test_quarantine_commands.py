"""What is in quarantine as a user or a script meets it, before and after a fix."""

import json

import pytest

from energy_platform.pipeline import redrive
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.redrive import redrive as run_again
from tests.support.commands import Command
from tests.support.sources import BAD_ROW, EXAMPLE, GARBAGE, MENDED, example_message, prices, quote
from tests.support.stores import land, quarantined, run_all, stored

pytestmark = pytest.mark.usefixtures("example_known")

NAME = EXAMPLE.name


@pytest.fixture
def _failures(platform_batches: MicroBatches) -> None:
    control = b"<html>\x1b[31m"
    land(platform_batches, [example_message(body) for body in ([BAD_ROW], GARBAGE, control)])
    run_all(platform_batches)


def test_nothing_is_in_quarantine(command: Command, home: object) -> None:
    for arguments in (["quarantine"], ["quarantine", NAME], ["redrive", NAME]):
        assert command(*arguments) == (0, "Nothing is in quarantine.\n", "")
    assert json.loads(command("quarantine", "--json").out) == {"reasons": []}


@pytest.mark.usefixtures("_failures")
def test_reasons_for_people(command: Command) -> None:
    answer = command("quarantine")
    assert answer.code == 0
    assert "less_than_or_equal_to(5000)" in answer.out
    assert answer.out.count(NAME) == 2
    assert "context" not in answer.out


@pytest.mark.usefixtures("_failures")
def test_samples_for_people(command: Command) -> None:
    answer = command("quarantine", NAME)
    assert '     row  {"delivery_start":"2026-03-01T13:45:00+00:00"' in answer.out
    assert "  begins  <html> [31m" in answer.out
    assert "\x1b" not in answer.out
    assert command("quarantine", NAME, "--limit", 1).out.count(" message  ") == 1


@pytest.mark.usefixtures("_failures")
def test_reasons_and_samples_as_json(command: Command) -> None:
    told = json.loads(command("quarantine", NAME, "--json").out)
    assert {reason["lines"] for reason in told["reasons"]} == {1, 2}
    [row] = [sample for sample in told["samples"] if sample["row"]]
    assert json.loads(row["row"])["price_eur_per_mwh"] == 9_999.0
    assert row["landing_offset"] == 0
    assert set(row) == {
        "check", "reason", "times", "landing_offset", "received_at", "row", "beginning", "context",
    }  # fmt: skip


@pytest.mark.usefixtures("_failures")
def test_redrive_says_what_it_did(
    command: Command, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = command("redrive", NAME)
    assert answer == (0, "3 lines in quarantine, failing as before; nothing was changed\n", "")
    monkeypatch.setattr(redrive, "redrive", lambda batches, _: run_again(batches, MENDED))
    answer = command("redrive", NAME)
    assert answer.out == (
        "3 lines in quarantine before, 1 after; 3 messages replayed, 2 rows stored\n"
    )
    assert prices(stored(platform_batches)) == [4_999.0, 0.0]
    assert quarantined(platform_batches)["landing_offset"].to_list() == [2]
    assert command("redrive", NAME).out.startswith("1 line in quarantine, failing as before")


def test_an_unknown_source_is_refused(command: Command) -> None:
    assert command("quarantine", "zzz").code == command("redrive", "zzz").code == 2
    assert command("quarantine", "--skip", "zzz", "0").code == 2


def test_a_message_is_set_aside_by_hand_until_a_redrive(
    command: Command, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [quote(1.0), quote(2.0)])
    for offset in ("2", "-1", "x"):
        assert command("quarantine", "--skip", NAME, offset).code == 2
    answer = command("quarantine", "--skip", NAME, "0")
    assert answer == (0, f"The message at offset 0 of {NAME} is set aside.\n", "")
    run_all(platform_batches)
    assert prices(stored(platform_batches)) == [2.0]
    told = json.loads(command("quarantine", NAME, "--json").out)
    [sample] = told["samples"]
    assert (sample["check"], sample["reason"]) == ("set_aside", "set aside by hand")
    answer = command("quarantine", "--skip", NAME, "1")
    assert "Its rows stay: only a replay from that offset leaves them out." in answer.out
    assert command("redrive", NAME).code == 0
    assert prices(stored(platform_batches)) == [1.0, 2.0]
    assert quarantined(platform_batches).is_empty()
