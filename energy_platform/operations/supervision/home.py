"""The folders that processes find in a home, and its lock.

`up` holds the lock alone; processes that run without it, each for itself, share it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from energy_platform.errors import EnergyPlatformError

_FOLDERS: Final = ("dagster/storage", "run", "logs", "broker")
_ONLY_OURS: Final = 0o700
"""The mode of a home: no other user of the machine reads market data or sees a socket."""
_FREE_BYTES: Final = 64 * 2**20
"""With less free space than this, no database could be created."""


@contextmanager
def claimed_home(home: Path, *, shared: bool = False) -> Iterator[int]:
    """Create a home's folders, and lock it; yield the lock, which children inherit.

    Args:
        home: The home.
        shared: Whether others may use it at the same time that say so too.

    Raises:
        EnergyPlatformError: The home is in use, or can't be used.
    """
    try:
        for name in _FOLDERS:
            (home / name).mkdir(parents=True, exist_ok=True)
        home.chmod(_ONLY_OURS)  # a home of before may be open to other users
        lock = (home / "run" / "lock").open("a")
    except OSError as error:
        raise _unfit(home, error) from None
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            free = shutil.disk_usage(home).free
        except BlockingIOError:
            raise EnergyPlatformError(f"the platform already runs from {home}") from None
        except OSError as error:
            raise _unfit(home, error) from None
        if free < _FREE_BYTES:
            raise EnergyPlatformError(
                f"{home} can't be the platform's home: {free // 2**20} MB are free on its"
                f" disk, and {_FREE_BYTES // 2**20} are needed"
            )
        yield lock.fileno()


def _unfit(home: Path, error: OSError) -> EnergyPlatformError:
    return EnergyPlatformError(f"{home} can't be the platform's home: {error.strerror}")


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file that only this user may read, in place of what was there, at once."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        written.write(content.encode() if isinstance(content, str) else content)
    fresh.replace(file)
