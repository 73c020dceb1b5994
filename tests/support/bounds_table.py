"""What docs/operations.md says each folder of the home may take."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


def table_rows() -> dict[str, str]:
    """Return the bound of each row, by its first cell."""
    table = _DOCS.read_text().split("| in the home |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines()[2:]]
    return {cells[0].strip(): cells[2].strip() for cells in rows}


def has_a_bound(entry: str) -> bool:
    """Return whether a row is about an entry of the home, a file or a folder."""
    named = [name for row in table_rows() for name in re.findall(r"`([^`]+)`", row)]
    return any(fnmatchcase(entry, name.partition("/")[0]) for name in named)
