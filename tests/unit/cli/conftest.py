"""The fixture that the tests of several commands share."""

import pytest

from tests.support.commands import Command, command_in_process


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process as its script does."""
    return command_in_process(monkeypatch, capsys)
