"""Files that only this user may read: a folder of mode 0700, and in it files of mode 0600."""

import os
import stat
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from energy_platform.errors import EnergyPlatformError
from energy_platform.settings import StatePlace
from energy_platform.storage.state import StateTables, state_tables


def access_folder(home: Path) -> Path:
    """Return the folder of a home that says who may look; it is created if it is missing."""
    folder = home.absolute() / "access"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_private(folder)
    return folder


def private_tables(
    place: StatePlace, name: str, layout: str, *, postgres_layout: str | None = None
) -> StateTables:
    """Return tables of the state; a SQLite file gives the files beside it its own mode."""
    folder = access_folder(place.home)
    if place.url is None:
        path = folder / name
        os.close(os.open(path, os.O_CREAT, 0o600))
        require_private(path)
    absolute = replace(place, home=folder.parent)
    return state_tables(absolute, f"{folder.name}/{name}", layout, postgres_layout=postgres_layout)


def write_private(path: Path, content: bytes) -> None:
    """Write a file in place of what was there, whole or not at all."""
    written = path.with_name(f"{path.name}.{uuid4().hex}")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


def require_private(path: Path) -> None:
    """Refuse a file or folder that others may open.

    Raises:
        EnergyPlatformError: They may, or it belongs to somebody else.
    """
    found = path.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise EnergyPlatformError(f"{path} must be for this user alone: chmod go= {path}")
