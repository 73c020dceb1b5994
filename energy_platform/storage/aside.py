"""Sets a damaged file or folder aside: it keeps its content under another name.

What is begun anew in its place belongs to the modules that know what it holds.
"""

import glob
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

MARK: Final = ".damaged-"
"""What stands between a name and the time at which it was set aside."""
KEPT: Final = 3
"""How many of one name are kept, the newest ones."""


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, delete the oldest such ones, and return its new path."""
    aside = path.with_name(f"{path.name}{MARK}{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    path.rename(aside)
    before = sorted(path.parent.glob(f"{glob.escape(path.name)}{MARK}*"))
    for old in before[:-KEPT]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
    return aside
