"""Cells: small documents that only somebody who has seen the newest version can replace.

A bucket compares generations. A folder has a file for each version, which can be created once; a
lock would be held for as long as a process hangs that has it. Nothing is synced to disk: after a
power cut no process of this machine owns anything.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import GCSStore, ObjectStore

from energy_platform.errors import EnergyPlatformError, UsageError

_ANSWER: Final = "2s"
_RETRIED: Final = timedelta(seconds=2)
"""A lease is renewed several times before it ends, so no request need be waited for."""

_KEPT_VERSIONS: Final = 2
"""A reader that has listed the newest version then finds it, though another one has come."""
_TRIES: Final = 10
_LEFT_BEHIND_SECONDS: Final = 3_600.0
_STAGED: Final = ".staged"


class LeaseStoreError(EnergyPlatformError):
    """The folder or bucket of the leases does not answer."""


class Cell(NamedTuple):
    """A cell's newest version: its text, and what names the version."""

    text: bytes
    version: str


class Cells(Protocol):
    """Cells by name. Threads may share them."""

    def read(self, name: str) -> Cell | None:
        """Return a cell; None if there is none.

        Raises:
            LeaseStoreError: It can't be told.
        """

    def write(self, name: str, text: bytes, *, seen: str | None) -> str | None:
        """Replace the version that was seen, or create the cell if none was; return the new one.

        Returns None, and writes nothing, if there is another version by now. Texts are unique, so
        that a writer whose answer was lost knows its own.

        Raises:
            LeaseStoreError: It may have been written or not.
        """

    def remove(self, name: str) -> None:
        """Remove a cell, if it is there.

        Raises:
            LeaseStoreError: It may have been removed or not.
        """


def open_cells(url: str) -> Cells:
    """Open the cells at `file:///folder` or `gs://bucket/prefix`; creates nothing.

    Raises:
        UsageError: No cells can be at this address.
    """
    if url.startswith("file://"):
        return FolderCells(Path(unquote(urlsplit(url).path)))
    if url.startswith("gs://"):
        return BucketCells(
            GCSStore.from_url(
                url,
                # Only an emulator's address is one without TLS.
                client_options={"timeout": _ANSWER, "connect_timeout": _ANSWER, "allow_http": True},
                retry_config={"max_retries": 1, "retry_timeout": _RETRIED},
            )
        )
    raise UsageError(f"leases are at file:///folder or gs://bucket/prefix, not at {url!r}")


class BucketCells:
    """Cells in a bucket, each an object that is replaced if its generation is the one seen.

    Args:
        store: The bucket or a prefix of it.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, name: str) -> Cell | None:
        """Return a cell; None if there is none."""
        with _told():
            try:
                found = obstore.get(self._store, name)
                return Cell(bytes(found.bytes()), str(found.meta["version"]))
            except FileNotFoundError:
                return None

    def write(self, name: str, text: bytes, *, seen: str | None) -> str | None:
        """Replace the version that was seen; None if another one is there."""
        with _told():
            try:
                if seen is None:
                    written = obstore.put(self._store, name, text, mode="create")
                else:
                    written = obstore.put(self._store, name, text, mode={"version": seen})
            except (AlreadyExistsError, PreconditionError):
                return _if_ours(self.read(name), text)
            return str(written["version"])

    def remove(self, name: str) -> None:
        """Remove a cell, if it is there."""
        with _told(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, name)


class FolderCells:
    """Cells in a folder of this machine, each a folder with its newest versions.

    Args:
        root: The folder of all cells.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> Cell | None:
        """Return a cell; None if there is none."""
        with _told():
            for _ in range(_TRIES):
                versions = self._versions(name)
                if not versions:
                    return None
                with contextlib.suppress(FileNotFoundError):  # replaced twice meanwhile
                    return Cell((self._root / name / versions[-1]).read_bytes(), versions[-1])
        raise LeaseStoreError(f"{self._root / name} is replaced faster than it can be read")

    def write(self, name: str, text: bytes, *, seen: str | None) -> str | None:
        """Replace the version that was seen; None if another one is there.

        A process that sleeps before it creates its version may find the name free, since only the
        newest versions are kept. Readers take the newest, so its version counts for nobody, and it
        sees that itself.
        """
        version = f"{1 if seen is None else int(seen) + 1:020}"
        with _told():
            if seen is None:
                (self._root / name).mkdir(parents=True, exist_ok=True)
                self._forget_left_behind()
            staged = self._root / f"{uuid4().hex}{_STAGED}"
            try:
                staged.write_bytes(text)
                os.link(staged, self._root / name / version)
            except FileExistsError:
                return _if_ours(self.read(name), text)
            except FileNotFoundError:
                return None  # the cell was removed
            finally:
                staged.unlink(missing_ok=True)
            versions = self._versions(name)
            if not versions or versions[-1] != version:
                return None
            for old in versions[:-_KEPT_VERSIONS]:
                (self._root / name / old).unlink(missing_ok=True)
        return version

    def remove(self, name: str) -> None:
        """Remove a cell, if it is there: all versions at once, so that none is ever free again."""
        with _told(), contextlib.suppress(FileNotFoundError):
            aside = self._root / f"{uuid4().hex}{_STAGED}"
            (self._root / name).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _versions(self, name: str) -> list[str]:
        try:
            return sorted(os.listdir(self._root / name))  # noqa: PTH208 (names alone)
        except FileNotFoundError:
            return []

    def _forget_left_behind(self) -> None:
        """Remove what writers have left that were killed."""
        for left in self._root.glob(f"*{_STAGED}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.lstat().st_mtime < _LEFT_BEHIND_SECONDS:
                    continue
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _if_ours(now: Cell | None, text: bytes) -> str | None:
    """Return a cell's version if an earlier try, whose answer was lost, has written it."""
    return now.version if now is not None and now.text == text else None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what a folder or a bucket may raise into one error."""
    try:
        yield
    except (BaseError, OSError) as error:
        said = str(error).splitlines() or [""]
        raise LeaseStoreError(f"the leases can't be reached: {said[0]}") from error
