"""The rooms of the library: the folder, the layers contract and the drawing say the same."""

import re
import tomllib
from pathlib import Path
from typing import Final

import energy_platform

ROOT: Final = Path(__file__).parents[2]
LIBRARY: Final = Path(energy_platform.__file__).parent
LOOSE: Final = {"__init__.py", "errors.py", "settings.py"}


def contract() -> list[str]:
    """Return the rooms in the order of the import-linter contract, the top floor first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [rooms] = [
        one["layers"]
        for one in project["tool"]["importlinter"]["contracts"]
        if one.get("containers") == ["energy_platform"]
    ]
    return list(rooms)


def test_no_module_lies_loose_at_the_librarys_root() -> None:
    assert {path.name for path in LIBRARY.glob("*.py")} == LOOSE


def test_every_room_has_a_floor() -> None:
    rooms = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert rooms == set(contract()) - {"settings", "errors"}


def test_the_drawing_has_the_rooms_in_the_contracts_order() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = re.findall(r"^\| `(\w+)/` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert drawn == [room for room in contract() if room not in {"settings", "errors"}]


def test_no_room_is_a_junk_drawer() -> None:
    paths = {path.relative_to(LIBRARY) for path in LIBRARY.rglob("*")}
    own = {path for path in paths if "node_modules" not in path.parts}
    names = {path.stem for path in own}
    assert not names & {"utils", "util", "support", "common", "helpers", "misc"}
