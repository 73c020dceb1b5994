"""`energy-platform positions` hands a file in, or says what is wrong with which line."""

import getpass
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from energy_platform.cli import app
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.settings import StatePlace

GOOD = (
    "portfolio;area;kind;name;delivery_start;delivery_end;power_mw\r\n"
    "wind;DE-LU;contract;Müller;2026-03-28T10:00+01:00;2026-03-28T11:00+01:00;5,5\r\n"
)


def test_a_good_file_is_handed_in(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "wind; März.csv"
    file.write_text(GOOD, encoding="cp1252", newline="")
    done = CliRunner().invoke(app, ["positions", str(file), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    inbox = Inbox.of(home, "position")
    [waiting] = inbox.waiting()
    document = inbox.read(waiting)
    assert document is not None
    assert document.body == GOOD.encode("cp1252")
    assert document.context["sender"] == getpass.getuser()
    [entry] = AuditLog.of(StatePlace(home)).newest(5)
    assert (entry.action, entry.address) == ("positions handed in", "command line")
    assert entry.detail == {"submission": told["id"], "rows": 1, "portfolios": ["wind"]}


def test_a_bad_line_is_named_and_nothing_handed_in(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wind.csv"
    file.write_text(GOOD + GOOD.splitlines()[1].replace("5,5", "five").replace("Müller", "x"))
    done = CliRunner().invoke(app, ["positions", str(file)])
    assert done.exit_code == 1
    assert "wind.csv:3: power_mw 'five'" in done.output + capsys.readouterr().err
    folder = Inbox.of(home, "position").folder
    assert not folder.exists() or not list(folder.iterdir())
