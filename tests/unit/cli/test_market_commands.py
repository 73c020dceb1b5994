"""What the commands print and how they end, as a user or a script meets them."""

import csv
import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from energy_platform.errors import HotStoreUnavailableError
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from tests.support.commands import Answer, Command
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE, example_message, prices
from tests.support.stores import hot, stored

pytestmark = pytest.mark.usefixtures("example_known")

NAME = EXAMPLE.name
PROJECT = Path(__file__).parents[3]
TESTCASES = PROJECT / "tests" / "testcases"


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    file = tmp_path / "payload.json"
    file.write_bytes(example_message([("CZ", 0, 50.123_45), ("DE-LU", 1, None)]).body)
    return file


@pytest.fixture
def bad_payload(tmp_path: Path) -> Path:
    """A payload with one good row, and one that fails."""
    file = tmp_path / "bad.json"
    file.write_bytes(example_message([("CZ", 0, 1.0), ("CZ", 1, 9_999.0)]).body)
    return file


@pytest.fixture
def garbage(tmp_path: Path) -> Path:
    file = tmp_path / "garbage.html"
    file.write_bytes(b"<html>[/bold] \x1b[31m</html>")
    return file


def only_complaint(answer: Answer) -> str:
    """Return the one line on standard error."""
    assert answer.error.startswith("error: ")
    [line] = answer.error.splitlines()
    return line.removeprefix("error: ")


def test_catalog_as_json(command: Command, home: Path) -> None:
    answer = command("catalog", "--json")
    assert answer.code == 0
    entries: list[dict[str, Any]] = json.loads(answer.out)
    by_name = {entry["name"]: entry for entry in entries}
    assert len(by_name) >= 9
    example = by_name[NAME]
    assert set(example) == {
        "name", "kind", "upstream", "provider", "protocol", "group", "description", "key",
        "columns",
        "expected_lag_seconds", "terms", "needs",
    }  # fmt: skip
    assert example["key"] == ["bidding_zone", "delivery_start"]
    assert example["expected_lag_seconds"] == 300
    assert {"name", "type", "unit"} <= set(example["columns"][0])
    assert {c["name"]: c["unit"] for c in example["columns"]}["price_eur_per_mwh"] == "EUR/MWh"
    assert by_name["nord_pool_intraday_trade"]["needs"]
    assert not home.exists()


def test_catalog_for_people(command: Command) -> None:
    answer = command("catalog")
    assert answer.code == 0
    [line] = [one for one in answer.out.splitlines() if NAME in one]
    assert line.split() == [
        NAME, "source", "Example", "REST", "auctions", "bidding_zone,", "delivery_start", "5", "min"
    ]  # fmt: skip


def test_catalog_finds_what_is_searched_for(command: Command) -> None:
    answer = command("catalog", "example", "price", "--json")
    assert [entry["name"] for entry in json.loads(answer.out)] == [NAME]
    answer = command("catalog", "zzz", "DE")
    assert (answer.code, answer.out) == (0, "Nothing has all of: zzz DE\n")
    assert json.loads(command("catalog", "zzz", "--json").out) == []


def test_catalog_loads_nothing_that_runs_the_platform() -> None:
    code = (
        "import sys; from energy_platform.cli import app; app(['catalog'], standalone_mode=False);"
        "print(*(set(sys.modules) & {'dagster', 'celery', 'supervisor', 'moto', 'deltalake'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert "ote_day_ahead_price" in done.stdout
    assert done.stdout.splitlines()[-1] == ""


def test_parse_for_people(command: Command, payload: Path, home: Path) -> None:
    answer = command("parse", NAME, payload)
    assert (answer.code, answer.error) == (0, "")
    assert "example_price: 2 rows" in answer.out
    [line] = [one for one in answer.out.splitlines() if " CZ " in one]
    # Every digit of a price, whatever looks tidier.
    assert line.split()[-1] == "50.12345"
    assert "2026-03-01 12:00:00" in line
    assert not home.exists(), "parse stores nothing"


def test_parse_names_a_column_that_no_row_has(command: Command, tmp_path: Path) -> None:
    payload = tmp_path / "misspelt.json"
    payload.write_bytes(example_message([("CZ", 0, None), ("DE-LU", 1, None)]).body)
    answer = command("parse", NAME, payload)
    assert answer.code == 0
    assert answer.error == "note: no row has a value in price_eur_per_mwh\n"


def test_parse_as_csv(command: Command, payload: Path) -> None:
    answer = command("parse", NAME, payload, payload, "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert list(rows[0]) == list(EXAMPLE.dtypes)
    assert [row["price_eur_per_mwh"] for row in rows] == ["50.12345", "", "50.12345", ""]
    assert [row["landing_offset"] for row in rows] == ["0", "0", "1", "1"]
    assert rows[0]["delivery_start"] == "2026-03-01T12:00:00+00:00"
    assert datetime.fromisoformat(rows[0]["received_at"]).utcoffset() is not None


def test_parse_as_json(command: Command, bad_payload: Path) -> None:
    answer = command("parse", NAME, bad_payload, "--json")
    assert answer.code == 1
    parsed = json.loads(answer.out, parse_constant=pytest.fail)
    assert set(parsed) == {"rows", "failed"}
    [row] = parsed["rows"]
    assert row["price_eur_per_mwh"] == 1.0
    assert row["delivery_start"] == "2026-03-01T12:00:00+00:00"
    [failed] = parsed["failed"]
    assert set(failed) == {"landing_offset", "received_at", "check", "reason", "row"}
    assert failed["check"] == "less_than_or_equal_to(5000)"
    assert only_complaint(answer) == failed["reason"]


def test_many_failures_are_told_in_few_lines(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_bytes(example_message([("CZ", n, 9_000.0 + n) for n in range(50)]).body)
    answer = command("parse", NAME, file)
    assert answer.code == 1
    assert len(answer.error.splitlines()) == 21
    assert answer.error.splitlines()[-1] == "error: and 30 reasons more"


def test_context_reaches_the_parser(command: Command, tmp_path: Path) -> None:
    case = PROJECT / "tests" / "testcases" / "energy_charts_price" / "gap" / "payload.json"
    answer = command("parse", "energy_charts_price", case, "--json", "-c", "bzn=AT")
    assert answer.code == 0
    assert {row["bidding_zone"] for row in json.loads(answer.out)["rows"]} == {"AT"}


def test_ingest_lands_and_runs_through(
    command: Command, payload: Path, bad_payload: Path, platform_batches: MicroBatches
) -> None:
    answer = command("ingest", NAME, payload)
    assert (answer.code, answer.error) == (0, "")
    assert answer.out == "1 message landed, 2 rows parsed, 2 new\n"
    answer = command("ingest", NAME, payload, bad_payload)
    assert answer.code == 1
    assert answer.out == "2 messages landed, 3 rows parsed, 1 new\n"
    assert "9999.0" in only_complaint(answer)
    assert prices(stored(platform_batches)) == [50.12345, None, 1.0]
    assert prices(hot(platform_batches)) == [1.0]
    message = platform_batches.landing.log(NAME).read(0, 1)[0]
    assert message.context["file_name"] == "payload.json"


def test_ingest_goes_through_while_the_hot_store_is_away(
    command: Command,
    payload: Path,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> int:
        raise HotStoreUnavailableError("no route")

    with monkeypatch.context() as while_away:
        while_away.setattr(SqliteHotStore, "committed_offset", away)
        answer = command("ingest", NAME, payload)
    assert answer.code == 0
    assert answer.error == "note: the hot copy comes later: no route\n"
    assert stored(platform_batches).height == 2


@pytest.mark.parametrize("read", ["parse", "ingest"])
def test_a_payload_that_may_be_several_things_is_refused_until_one_says_which(
    command: Command, read: str, platform_batches: MicroBatches
) -> None:
    file = TESTCASES / "energy_charts_price" / "hours" / "payload.json"
    answer = command(read, "energy_charts_price", file)
    assert answer.code == 2
    assert "say it with -c bzn=…, e.g. -c bzn=DE-LU" in only_complaint(answer)
    assert platform_batches.landing.log("energy_charts_price").end_offset() == 0
    assert command(read, "energy_charts_price", file, "-c", "bzn=AT").code == 0


def test_replay_makes_the_table_again(
    command: Command, payload: Path, platform_batches: MicroBatches
) -> None:
    command("ingest", NAME, payload)
    answer = command("replay", NAME)
    assert (answer.code, answer.out) == (0, "1 message replayed, 2 rows stored\n")
    answer = command("replay", NAME, "--from", "2999-01-01")
    assert (answer.code, answer.out) == (0, "0 messages replayed, 0 rows stored\n")
    answer = command("replay", NAME, "--from", "2020-01-01T00:00:00+01:00")
    assert answer.out == "1 message replayed, 2 rows stored\n"
    assert platform_batches.warehouse.summary(market_table(EXAMPLE)).rows == 2


def test_replay_of_nothing(command: Command) -> None:
    assert command("replay", NAME).out == "0 messages replayed, 0 rows stored\n"


def test_status_as_json(command: Command, payload: Path) -> None:
    command("ingest", NAME, payload)
    answer = command("status", "--json")
    assert answer.code == 0
    status = json.loads(answer.out, parse_constant=pytest.fail)
    assert set(status) == {"processes", "sources", "disks", "live_bus", "broken"}
    assert status["processes"] == []
    assert [Path(one["folder"]).exists() for one in status["disks"]] == [True]
    [example] = [one for one in status["sources"] if one["name"] == NAME]
    assert set(example) >= {
        "name", "protocol", "group", "landed_offset", "committed_offset", "rows", "last_event_at",
        "lag_seconds", "quarantined", "state", "needs",
    }  # fmt: skip
    assert (example["landed_offset"], example["committed_offset"], example["rows"]) == (1, 1, 2)
    assert datetime.fromisoformat(example["last_event_at"]).utcoffset() is not None
    assert isinstance(example["lag_seconds"], float)
    assert example["state"] == "late"
    [other] = [one for one in status["sources"] if one["name"] == "ote_day_ahead_price"]
    assert (other["last_event_at"], other["lag_seconds"], other["state"]) == (None, None, "waiting")


def test_status_for_people(command: Command, payload: Path, home: Path) -> None:
    command("ingest", NAME, payload)
    answer = command("status")
    assert f"No `energy-platform up` runs from {home}" in answer.out.replace("\n", " ")
    [line] = [one for one in answer.out.splitlines() if NAME in one]
    assert "late: values after 2026-03-01" in line
    assert "2026-03-01 12:15:00" in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["parse", "example_prices", "FILE"], "did you mean example_price?"),
        (["ingest", "example_prices", "FILE"], "did you mean example_price?"),
        (["replay", "zzz"], "see `energy-platform catalog`"),
        (["parse", NAME, "missing.json"], "can't read missing.json: No such file or directory"),
        (["ingest", NAME, "FILE", "missing.json"], "can't read missing.json"),
        (["parse", NAME, "/"], "can't read /: Is a directory"),
        (["parse", NAME, "FILE", "--context", "zone"], "--context takes KEY=VALUE, not 'zone'"),
        (["replay", NAME, "--from", "yesterday"], "not an instant in ISO 8601: 'yesterday'"),
        (["replay", NAME, "--from", "2026-02-30"], "not an instant in ISO 8601: '2026-02-30'"),
        (["down"], "nothing runs from"),
    ],
)
def test_what_can_not_be_is_one_line_and_exit_code_2(
    command: Command, payload: Path, home: Path, arguments: list[str], complaint: str
) -> None:
    answer = command(*(payload if one == "FILE" else one for one in arguments))
    assert answer.code == 2
    assert answer.out == ""
    assert complaint in only_complaint(answer)
    assert not (home / "landing" / NAME).exists()


@pytest.mark.parametrize("verb", ["parse", "ingest"])
def test_garbage_is_one_line_and_exit_code_1(command: Command, garbage: Path, verb: str) -> None:
    answer = command(verb, NAME, garbage)
    assert answer.code == 1
    assert "JSONDecodeError" in only_complaint(answer)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("BATCH_MESSAGES", "many", "ENERGY_PLATFORM_BATCH_MESSAGES: Input should be a valid"),
        ("MARKETS", "imaginary", "ENERGY_PLATFORM_MARKETS: Input should be 'simulated' or 'live'"),
        ("LANDING", "s3://bucket", "a landing zone is at file:///folder or gs://bucket/prefix"),
        ("LANDING", "/dev/null/x", "no landing zone can be at file:///dev/null/x"),
        ("HOME", "/dev/null", "no landing zone can be at file:///dev/null/landing"),
    ],
)
def test_a_bad_environment_is_one_line_and_exit_code_2(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(f"ENERGY_PLATFORM_{variable}", value)
    forget_cached()
    answer = command("status", "--json")
    assert answer.code == 2
    assert answer.out == ""
    assert complaint in only_complaint(answer)


def test_what_a_payload_says_never_controls_the_terminal(
    command: Command, payload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = command("parse", "[bold]\x1b[31m[/nothing]", payload)
    assert answer.code == 2
    assert "\x1b" not in answer.error
    assert "[/nothing]" in only_complaint(answer)


def test_the_script_itself_ends_with_the_code_and_no_traceback(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "energy-platform"
    done = subprocess.run(
        [script, "parse", "nonsense", "x"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: unknown source 'nonsense'; see `energy-platform catalog`\n"
