"""Files of the checkout that are written from the catalogue, never edited: which have drifted.

What is to be in them is the business of those who generate them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path


def differing(root: Path, wanted: Mapping[Path, str], owned: Iterable[Path]) -> list[Path]:
    """Return the files that are missing, left over, or not as they have to be, by their paths.

    Args:
        root: The folder that all paths begin at.
        wanted: Every generated file's text.
        owned: Files that are there now and have no business to be unless they are wanted.
    """
    there = {file.relative_to(root) for file in owned}
    return sorted(
        path
        for path in wanted.keys() | there
        if path not in wanted
        or not (root / path).is_file()
        or (root / path).read_text("utf-8") != wanted[path]
    )


def write(root: Path, wanted: Mapping[Path, str], owned: Iterable[Path]) -> list[Path]:
    """Bring the files up to date, and remove what is left over; return those that differed."""
    changed = differing(root, wanted, owned)
    for path in changed:
        file = root / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], "utf-8")
        else:
            file.unlink()
    return changed
