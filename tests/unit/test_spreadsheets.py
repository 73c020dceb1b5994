"""No text that leaves the platform as CSV runs as a formula in a spreadsheet, whoever writes it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl
import pytest

import energy_platform
from energy_platform.dashboard.api.answers import Answer, Form, Table
from energy_platform.encodings import spreadsheet
from energy_platform.encodings.spreadsheet import spreadsheet_csv
from tests.support.commands import command_in_process

LIBRARY: Final = Path(energy_platform.__file__).parent
ROOT: Final = LIBRARY.parent
CASES: Final[list[dict[str, str]]] = json.loads(
    (LIBRARY / "dashboard" / "web" / "tests" / "spreadsheet_texts.json").read_text("utf-8")
)
"""Texts, and what stands in a field for each; the pages' own CSV is held against them too."""
WRITES_CSV: Final = ("write_csv", "sink_csv", "to_csv", "csv.writer", "DictWriter")

Written = Callable[[pl.DataFrame], str]


def of_the_api(rows: pl.DataFrame) -> str:
    return Answer.of(Table(rows, {}), Form.CSV).body.decode()


def fields(text: str, column: str) -> list[str]:
    return [row[column] for row in csv.DictReader(io.StringIO(text, newline=""))]


@pytest.mark.parametrize("written", [spreadsheet_csv, of_the_api])
def test_a_text_is_disarmed_and_nothing_else_is_changed(written: Written) -> None:
    rows = pl.DataFrame({"name": [case["text"] for case in CASES]}).with_row_index("power_mw")
    negative = rows.with_columns(-pl.col("power_mw").cast(pl.Float64))
    text = written(negative)
    assert fields(text, "name") == [case["field"] for case in CASES]
    assert [float(one) for one in fields(text, "power_mw")] == negative["power_mw"].to_list()


@pytest.mark.parametrize("written", [spreadsheet_csv, of_the_api])
def test_the_texts_of_a_list_are_disarmed(written: Written) -> None:
    rows = pl.DataFrame({"flags": [["=1+1", "revised"], ["revised"], []]})
    assert fields(written(rows), "flags") == ["'=1+1|revised", "revised", ""]


def test_the_command_line_disarms_what_a_payload_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [case for case in CASES if case["text"] and case["text"].isprintable()]
    named = [case for case in said if case["text"].strip() == case["text"]]
    rows = [
        {
            "portfolio": "north", "area": "DE-LU", "kind": "contract", "name": case["text"],
            "delivery_start": "2026-03-28T10:00Z", "delivery_end": "2026-03-28T10:15Z",
            "power_mw": "-1.5",
        }
        for case in named
    ]  # fmt: skip
    payload = tmp_path / "positions.json"
    payload.write_text(json.dumps(rows), "utf-8")
    command = command_in_process(monkeypatch, capsys)
    answer = command("parse", "position", payload, "-c", "sender=anna", "--csv")
    assert answer.code == 0, answer.error
    shown = {*zip(fields(answer.out, "name"), fields(answer.out, "power_mw"), strict=True)}
    assert shown == {(case["field"], "-1.5") for case in named}
    assert "'=1+1" in fields(answer.out, "name")


def test_nothing_else_in_the_platform_writes_csv() -> None:
    rooms = [LIBRARY, *(ROOT / name for name in ("assets", "sensors", "resources", "dbt_project"))]
    files = [
        file for room in rooms for file in room.rglob("*.py") if "node_modules" not in str(file)
    ]
    assert len(files) > 100
    own = Path(spreadsheet.__file__)
    texts = {file: file.read_text("utf-8") for file in files if file != own}
    assert [file for file, text in texts.items() if any(one in text for one in WRITES_CSV)] == []
