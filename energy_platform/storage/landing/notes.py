"""Small documents kept beside the logs of a landing zone, each version written once.

The module that writes a note defines its content. Versions are numbered without gaps, so if two
writers write the same version, the second one learns of it.
"""

from threading import Lock
from typing import Final
from uuid import uuid4

import obstore
from obstore.store import ObjectStore

from energy_platform.storage.landing import objects

_FOLDER: Final = "_notes"
"""No source's log is in this folder, because sources' names begin with a letter."""


class Notes:
    """The notes of one landing zone. Threads may share them.

    Args:
        store: The folder or bucket of the landing zone.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._advancing = Lock()

    def newest(self, name: str) -> tuple[int, bytes]:
        """Return a note's newest version, counted from 1, and its text; 0 and no text at first."""
        with self._advancing:
            known, text = self._newest.get(name, (None, b""))
            version = self._last_listed(name) if known is None else known
            while objects.exists(self._store, _path(name, version + 1)):
                version += 1
            if version != known:
                text = objects.fetch(self._store, _path(name, version)) if version else b""
                self._newest[name] = (version, text)
        return version, text

    def add(self, name: str, version: int, text: bytes) -> bool:
        """Write the version after the newest; return whether nobody else had written it."""
        return objects.create(self._store, _path(name, version), text, writer=uuid4().hex)

    def _last_listed(self, name: str) -> int:
        names = [
            meta["path"]
            for chunk in obstore.list(self._store, f"{_FOLDER}/{name}")
            for meta in chunk
        ]
        return max((int(path.rpartition("/")[2].partition(".")[0]) for path in names), default=0)


def _path(name: str, version: int) -> str:
    return f"{_FOLDER}/{name}/{version:09}.json"
