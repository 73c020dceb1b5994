"""`energy-platform verify` names each damaged file, and the command that it names mends it."""

import json
import shutil
from pathlib import Path

import pytest

from energy_platform.pipeline.micro_batch import MicroBatches
from tests.support.commands import Command, command_in_process
from tests.support.damage import DAMAGES, EACH_DAMAGE
from tests.support.environment import forget_cached
from tests.support.sources import EXAMPLE
from tests.unit.damage.filled_home import (
    OTHER,
    assert_tables_are,
    commits,
    data_files,
    reopened,
    segments,
)


@pytest.fixture
def command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    del home
    return command_in_process(monkeypatch, capsys)


def found(command: Command, *arguments: str) -> list[dict[str, str]]:
    """Return what `verify` finds in a process that has just begun."""
    forget_cached()
    answer = command("verify", *arguments, "--json")
    findings: list[dict[str, str]] = json.loads(answer.out)
    assert answer.code == bool(findings)
    return findings


def test_a_sound_home_is_said_to_be_sound(command: Command) -> None:
    assert found(command) == []
    assert command("verify").out == "No file is damaged.\n"


@pytest.mark.parametrize("damage", EACH_DAMAGE)
def test_a_damaged_segment_is_found_and_its_copy_mends_it(
    damage: str, command: Command, home: Path, tmp_path: Path
) -> None:
    file = segments(home)[2]
    kept = shutil.copy(file, tmp_path / "copy")
    DAMAGES[damage](file)
    [finding] = found(command)
    assert (finding["source"], finding["place"]) == (EXAMPLE.name, str(file))
    assert finding["next_step"].endswith(f"energy-platform redrive {EXAMPLE.name}")
    assert found(command, OTHER.name) == []
    shown = command("verify", EXAMPLE.name)
    assert shown.code == 1
    assert file.name in "".join(shown.out.split())
    shutil.copy(kept, file)
    assert found(command) == []
    assert command("redrive", EXAMPLE.name).code == 0


@pytest.mark.parametrize("damage", EACH_DAMAGE)
@pytest.mark.parametrize("name", [EXAMPLE.name, f"quarantine/{EXAMPLE.name}"])
def test_a_damaged_file_of_a_table_is_found_and_a_replay_mends_it(
    damage: str, name: str, command: Command, home: Path, control: MicroBatches
) -> None:
    file = data_files(home, name)[0]
    DAMAGES[damage](file)
    findings = found(command)
    assert findings or damage == "flipped", "its pages have no checksum"
    for finding in findings:
        assert (finding["source"], finding["place"]) == (EXAMPLE.name, str(file))
        assert finding["next_step"] == f"energy-platform replay {EXAMPLE.name}"
    assert command("replay", EXAMPLE.name).code == 0
    assert found(command) == []
    assert_tables_are(reopened(), control)


def test_a_damaged_log_of_a_table_is_found_and_a_replay_mends_it(
    command: Command, home: Path, control: MicroBatches
) -> None:
    DAMAGES["garbage"](commits(home, EXAMPLE.name)[0])
    [finding] = found(command)
    assert finding["source"] == EXAMPLE.name
    assert str(home / "warehouse" / EXAMPLE.name) in finding["place"]
    assert finding["next_step"] == f"energy-platform replay {EXAMPLE.name}"
    assert command("replay", EXAMPLE.name).code == 0
    assert found(command) == []
    assert_tables_are(reopened(), control)


def test_side_files_and_notes_are_found(command: Command, home: Path) -> None:
    database = home / "dagster" / "storage" / "runs.db"
    database.parent.mkdir(parents=True)
    damaged = [home / "hot.sqlite", database]
    for file in damaged:
        DAMAGES["garbage"](file)
    for part in home.glob("hot.sqlite-*"):
        part.unlink()
    note = max((home / "landing" / "_notes" / "layout" / EXAMPLE.name).glob("*.json"))
    DAMAGES["torn"](note)
    said = {finding["place"]: finding["next_step"] for finding in found(command)}
    assert said.keys() == {*map(str, damaged), f"_notes/layout/{EXAMPLE.name}"}
    assert all(said[str(file)].startswith("nothing") for file in damaged)
    assert [one["source"] for one in found(command, EXAMPLE.name)] == [EXAMPLE.name]
