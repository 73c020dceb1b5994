"""The runbook has every alert and every state, and each command that it names exists."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from energy_platform import cli
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.conditions import Trouble
from energy_platform.operations.status import SourceState
from energy_platform.operations.supervision.plan import PROJECT

DOCS = sorted({*(PROJECT / "docs").glob("*.md"), *PROJECT.glob("*.md")})
DOCS.remove(PROJECT / "CHANGELOG.md")  # it also tells of commands that are gone
RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
PARTS = ("**Means.**", "**Look.**", "**Do.**")
_COMMAND = re.compile(r"(?:^|[ /$])energy-platform +([^`\n#|&;…>\\]+)", re.MULTILINE)
_ENDS = re.compile(r"[ ,.:]+$")


def sections(chapter: str) -> dict[str, str]:
    """Return the sections of a chapter by their names."""
    text = RUNBOOK.split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    found = re.split(r"^### `([^`]+)`$", text, flags=re.MULTILINE)[1:]
    named = dict(zip(found[::2], found[1::2], strict=True))
    assert len(named) == len(found) / 2, "a section is there twice"
    return named


@pytest.mark.parametrize(
    ("chapter", "names"),
    [("States of a source", list(SourceState)), ("Alerts", list(Trouble))],
)
def test_every_state_and_alert_has_its_section(chapter: str, names: list[str]) -> None:
    assert sorted(sections(chapter)) == sorted(names)


@pytest.mark.parametrize("chapter", ["States of a source", "Alerts"])
def test_every_section_says_what_it_means_how_to_look_and_what_to_do(chapter: str) -> None:
    for name, text in sections(chapter).items():
        places = [text.find(part) for part in PARTS]
        assert -1 < places[0] < places[1] < places[2], name
        look = text[places[1] : places[2]]
        assert "energy-platform " in look or "logs/" in look or "Dagster UI" in look, name


def test_every_state_of_a_process_is_there() -> None:
    text = RUNBOOK.split("\n## Processes\n")[1].split("\n## ")[0]
    for state in ("RUNNING", "STARTING", "BACKOFF", "EXITED", "FATAL", "STOPPING", "STOPPED"):
        assert f"`{state}`" in text


def commands_in(text: str) -> list[str]:
    """Return the commands of a text: those in code, line by line in a block, or inline."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [" ".join(one.split()) for one in re.findall(r"(?<!`)`([^`]+)`(?!`)", rest)]
    found = _COMMAND.findall("\n".join([*blocks, *inline]))
    return [_ENDS.sub("", one) for one in found]


def fault(command: str) -> str:
    """Return what is wrong with a command's name, options or arguments; empty if nothing is."""
    here = typer.main.get_command(cli.app)
    words = [word.strip("[]") for word in shlex.split(command)]
    while words and (inner := getattr(here, "commands", {}).get(words[0])) is not None:
        here, words = inner, words[1:]
    if (otherwise := getattr(here, "otherwise", None)) is not None:
        here = getattr(here, "commands", {})[otherwise]
    if getattr(here, "commands", None):
        return f"there is no command {words[:1]}"
    options = {name: one for one in here.params for name in (*one.opts, *one.secondary_opts)
               if name.startswith("-")}  # fmt: skip
    arguments = [one for one in here.params if not any(o.startswith("-") for o in one.opts)]
    given = 0
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if not word.startswith("-"):
            given += 1
        elif name in {"--help", "-h"}:
            continue
        elif name not in options:
            return f"{here.name} has no option {name}"
        elif not value and not getattr(options[name], "is_flag", False):
            del words[: options[name].nargs]
    most = sum(one.nargs for one in arguments)
    if any(one.nargs < 0 for one in arguments) or given <= most:
        return ""
    return f"{here.name} takes {most} arguments"


@pytest.mark.parametrize("document", DOCS, ids=lambda one: one.name)
def test_every_command_of_the_docs_exists(document: Path) -> None:
    found = commands_in(document.read_text("utf-8"))
    assert [(one, wrong) for one in found if (wrong := fault(one))] == []


def test_the_runbook_and_the_alerts_name_commands() -> None:
    assert len(commands_in(RUNBOOK)) > 30
    steps = re.findall(r"energy-platform ([a-z-]+)", Path(conditions.__file__).read_text("utf-8"))
    assert steps
    assert [one for one in steps if fault(one)] == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("status --json", ""), ("users token NAME --scope read --days 3", ""),
        ("statuses", "no command"), ("users ban NAME", "no command"),
        ("layout SOURCE --agree", "no option --agree"), ("replay ONE TWO", "takes 1 arguments"),
    ],
)  # fmt: skip
def test_a_wrong_command_would_be_found(command: str, wrong: str) -> None:
    assert wrong in fault(command)
    assert bool(wrong) == bool(fault(command))
