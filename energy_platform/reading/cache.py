"""Answers kept in a folder, each by the state of the table that it was read from.

An answer is found again while its table is as it was, so it is never stale: a commit changes the
table's state. Processes may share a folder, and platforms too, since no two tables have one state.
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.errors import UsageError
from energy_platform.reading.choice import require_count

MOST_BYTES: Final = 2 * 2**30
"""How much a cache takes, unless its user says otherwise."""

_KEPT: Final = ".arrow"
_UNFINISHED: Final = ".part"
_TURN_SECONDS: Final = 10.0
"""How long a process waits until others have written; then its answer is not kept."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of answers; a value, which creates nothing until there is an answer to keep.

    Attributes:
        folder: The folder, which holds nothing else.
        most_bytes: How much its files take at most; those used last stay.
    """

    folder: str
    most_bytes: int = MOST_BYTES

    @classmethod
    def at(cls, folder: str | Path, most_bytes: int) -> Self:
        """Return the cache in a folder, named in full, so that it stays the same one.

        Raises:
            UsageError: It can't be a folder, or may take nothing.
        """
        try:
            found = Path(folder).expanduser().absolute()
        except (TypeError, RuntimeError) as error:
            raise UsageError(f"cache is a folder, not {folder!r}: {error}") from None
        if found.exists() and not found.is_dir():
            raise UsageError(f"cache is a folder, and {found} is none")
        require_count(most_bytes, "cache_bytes")
        return cls(str(found), most_bytes)

    def frame(self, asked: object, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return the answer to a question, from the folder if it was read before.

        Args:
            asked: The question with the state of its table; its `repr` says all of it.
            read: Reads the answer.
        """
        from importlib.metadata import version

        told = repr((version("energy-platform"), asked))
        file = Path(self.folder) / f"{sha256(told.encode()).hexdigest()}{_KEPT}"
        found = _kept(file)
        if found is None:
            found = read()
            self._keep(file, found)
        return found

    def _keep(self, file: Path, answer: pl.DataFrame) -> None:
        """Keep an answer, if it fits; the ones used longest ago make room."""
        if answer.estimated_size() > self.most_bytes:
            return
        from filelock import FileLock

        unfinished = file.with_name(f"{uuid4().hex}{_UNFINISHED}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(file.parent / "lock", timeout=_TURN_SECONDS):
                try:
                    answer.write_ipc(unfinished, compression="lz4")
                    size = unfinished.stat().st_size
                    if size <= self.most_bytes:
                        self._make_room(size, beside=unfinished)
                        unfinished.replace(file)
                finally:
                    unfinished.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an answer is not kept in %s: %s", self.folder, error)

    def _make_room(self, size: int, *, beside: Path) -> None:
        """Delete answers until so many bytes more fit, and what killed processes left."""
        for left in beside.parent.glob(f"*{_UNFINISHED}"):
            if left != beside:
                left.unlink(missing_ok=True)
        used = [(file.stat(), file) for file in beside.parent.glob(f"*{_KEPT}")]
        used.sort(key=lambda one: one[0].st_mtime_ns, reverse=True)
        for about, file in used:
            size += about.st_size
            if size > self.most_bytes:
                file.unlink(missing_ok=True)


def _kept(file: Path) -> pl.DataFrame | None:
    """Return what a file holds; None if there is none, or a broken one."""
    try:
        answer = pl.read_ipc(file.read_bytes())
    except (OSError, PolarsError):
        return None
    with suppress(OSError):  # somebody else's answer, or one that was just deleted
        os.utime(file)
    return answer
