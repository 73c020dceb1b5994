"""Runs commands of `energy-platform` in the test's own process, as the installed script would."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from energy_platform import cli


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    error: str


Command = Callable[..., Answer]


def command_in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return a function that runs a command with its arguments and returns the answer."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["energy-platform", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run
