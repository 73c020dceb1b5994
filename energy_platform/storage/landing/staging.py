"""Files that stand for a while beside the logs of a landing zone, below a prefix of their own.

They hold what can be made again at any time, so a file that is lost or damaged costs time and
nothing else. They are written whole, by an atomic rename or put, and are not synced. The module
that writes a file defines its content.
"""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import obstore
from obstore.store import LocalStore, ObjectStore

from energy_platform.storage.landing import objects

FOLDER: Final = "_replay"
"""No source's log is in this folder, because sources' names begin with a letter."""


class Staging:
    """The staged files of one landing zone. Threads and processes may share them.

    Args:
        store: The folder or bucket of the landing zone.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def write(self, path: str, body: bytes) -> None:
        """Write a file as a whole, in the place of one of the same name."""
        obstore.put(self._store, f"{FOLDER}/{path}", body)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None if there is no such file."""
        try:
            return objects.fetch(self._store, f"{FOLDER}/{path}")
        except FileNotFoundError:
            return None

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Return the files below a folder, in the order of their paths, with their sizes."""
        found = {
            meta["path"].removeprefix(f"{FOLDER}/"): meta["size"]
            for chunk in obstore.list(self._store, f"{FOLDER}/{folder}".rstrip("/"))
            for meta in chunk
        }
        return dict(sorted(found.items()))

    def remove(self, paths: Sequence[str]) -> None:
        """Remove these files; some may be gone."""
        objects.remove(self._store, [f"{FOLDER}/{path}" for path in paths])

    def clear(self, folder: str) -> None:
        """Remove all files below a folder, also those that a killed writer left."""
        self.remove([*self.sizes(folder)])
        if isinstance(self._store, LocalStore):
            # No listing shows a file that was never given its name.
            shutil.rmtree(objects.place(self._store, f"{FOLDER}/{folder}"), ignore_errors=True)

    def forget(self, *, now: datetime, unused: timedelta) -> list[str]:
        """Remove the files of folders in which nothing was written for a while.

        Args:
            now: The time.
            unused: How long.

        Returns:
            The folders.
        """
        newest: dict[str, datetime] = {}
        for chunk in obstore.list(self._store, FOLDER):
            for meta in chunk:
                folder = meta["path"].removeprefix(f"{FOLDER}/").partition("/")[0]
                written = meta["last_modified"]
                newest[folder] = max(written, newest.get(folder, written))
        forgotten = sorted(folder for folder, at in newest.items() if at < now - unused)
        for folder in forgotten:
            self.clear(folder)
        return forgotten
