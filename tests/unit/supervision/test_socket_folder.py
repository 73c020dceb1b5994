"""The supervisor's socket lies where only its user can put one."""

import os
import tempfile
from pathlib import Path

import pytest

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision.supervisor import Supervisor


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"energy-platform-{os.getuid()}"


def test_the_folder_is_made_for_this_user_alone(folder: Path, tmp_path: Path) -> None:
    assert Supervisor(tmp_path / "home").statuses() == []
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_open_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(EnergyPlatformError, match="only this user may open"):
        Supervisor(tmp_path / "home")
