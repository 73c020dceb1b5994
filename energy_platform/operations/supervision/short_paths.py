"""Short and plain paths outside the home, for this user alone, where the home's path won't do.

A socket's path is limited to about a hundred bytes, and a home folder may be deep. Dagster names
its SQLite files by URLs, in which everything after a `?` is options.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from energy_platform.errors import EnergyPlatformError


def short_path(home: Path, suffix: str) -> Path:
    """Return a path that no other home has; the caller creates what is there.

    Raises:
        EnergyPlatformError: Others may write to its folder.
    """
    digest = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"energy-platform-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    _require_own(folder)
    return folder / f"{digest}{suffix}"


def home_in_urls(home: Path) -> Path:
    """Return a path of the home that may stand in a URL as it is: its own, or that of a link."""
    home = home.absolute()
    if "?" not in str(home):
        return home
    link = short_path(home, ".home")
    if not link.is_symlink():
        link.symlink_to(home, target_is_directory=True)
    return link


def _require_own(folder: Path) -> None:
    """Refuse a folder that somebody else made or may write to, since its socket could be theirs."""
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise EnergyPlatformError(f"{folder} must be a folder that only this user may open")
