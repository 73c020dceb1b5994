"""A soak tells of every stage, in a table, as JSON and by its exit code."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults import cases, soak
from tests.faults.report import Row
from tests.faults.soak import Course, Outcome


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["soak", *map(str, arguments)])
    return soak.main()


def well(folder: Path, outcome: Outcome, course: Course) -> None:
    assert folder.is_dir()
    outcome.rows.append(Row(case="kill", promise="it holds", count=3, killed=4, seconds=[5.0]))
    outcome.emitted, outcome.stored = 10, 9
    outcome.loads += [2.0, 9.0, 3.0]
    outcome.skipped.append(f"{course.seconds:.0f} {course.random.random()}")
    outcome.memory_mb["embedded"] = {"collector": [(0.0, 80.0), (1.0, 120.0), (2.0, 90.0)]}


def broken(folder: Path, outcome: Outcome, course: Course) -> None:
    outcome.rows.append(Row(case="stop", promise="it holds", count=1))
    raise TimeoutError("the platform does not come to rest")


def test_what_is_well_ends_well_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "embedded", well)
    kept = tmp_path / "soak.json"
    asked = ["--minutes", 2, "--stage", "embedded", "--seed", 7, "--json", kept]
    assert run(monkeypatch, *asked) == 0
    said = capsys.readouterr().out
    assert "seed 7, 2 minutes, stages embedded" in said
    assert "| kill | it holds | 3 | 0 | 0 | 0 | 5 s, 5 s |" in said
    assert "4 processes killed; 10 rows emitted, 9 stored" in said
    assert "embedded, collector: 80 MB at first, 120 at most, 90 at last" in said
    assert "cores, load 3, 9 at most" in said
    assert "SKIPPED: 120 " in said
    outcome = json.loads(kept.read_bytes())
    assert (outcome["seed"], outcome["stages"]) == (7, ["embedded"])
    assert datetime.fromisoformat(outcome["began_at"]) <= datetime.now(UTC)
    assert run(monkeypatch, *asked) == 0
    assert json.loads(kept.read_bytes())["skipped"] == outcome["skipped"], "the seed decides"
    capsys.readouterr()
    assert run(monkeypatch, "--told", kept) == 0
    assert "| kill | it holds | 3 |" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["lost", "doubled", "invented"])
def test_one_wrong_row_is_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    def bad(_folder: Path, outcome: Outcome, _course: Course) -> None:
        row = Row(case="kill", promise="it holds", count=1)
        setattr(row, wrong, 1)
        outcome.rows.append(row)

    monkeypatch.setattr(soak, "embedded", bad)
    kept = tmp_path / "soak.json"
    assert run(monkeypatch, "--stage", "embedded", "--json", kept) == soak.LOST_OR_FAILED
    assert json.loads(kept.read_bytes())["cases"][0]["is_kept"] is False


def test_a_stage_that_breaks_is_told_and_the_others_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "embedded", broken)
    monkeypatch.setattr(soak, "cloud", well)
    kept = tmp_path / "soak.json"
    stages = ("--stage", "embedded", "--stage", "cloud")
    assert run(monkeypatch, *stages, "--json", kept) == soak.LOST_OR_FAILED
    said = capsys.readouterr().out
    assert "embedded: TimeoutError: the platform does not come to rest" in said
    assert "| stop | it holds | 1 |" in said
    assert "| kill | it holds | 3 |" in said
    failed = [case for case in json.loads(kept.read_bytes())["cases"] if case["failures"]]
    assert [case["case"] for case in failed] == ["stage embedded"]


def test_the_docs_name_every_case() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    chosen = (*cases.embedded(), *cases.cloud())
    assert [case.name for case in chosen if f"| {case.name} |" not in docs] == []


def test_a_case_is_chosen_by_a_part_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(soak, "cloud", lambda _folder, _outcome, course: asked.append(course.only))
    run(monkeypatch, "--stage", "cloud", "--case", "SIGKILL", "--json", "/dev/null")
    assert asked == ["SIGKILL"]
    chosen = cases.named("SIGKILL", cases.cloud())
    assert [case.times for case in chosen] == [8, 4, 3]
    assert all("cloud stores" in case.name for case in chosen)
    with pytest.raises(ValueError, match="no case is named like 'SIGNAL'"):
        cases.named("SIGNAL", cases.cloud())
