"""The SQLite databases of a home, for everything that looks at each of them.

They hold what is known beside the truth. Folders of raw messages and tables have none, and too many
files to look for some.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from energy_platform.storage.aside import MARK

_WITHOUT: Final = frozenset({"landing", "warehouse", "recent", "inbox", "simulator", "logs"})
"""The folders of a home that hold no database."""
_SUFFIXES: Final = (".sqlite", ".db")


def databases(place: Path) -> Iterator[Path]:
    """Yield the databases of a home, or of a folder in it, without those that were set aside."""
    for folder, folders, files in os.walk(place):
        here = Path(folder)
        wanted = {one for one in folders if here != place or one not in _WITHOUT}
        folders[:] = sorted(one for one in wanted if MARK not in one)
        for name in sorted(files):
            if name.endswith(_SUFFIXES) and MARK not in name:
                yield here / name
