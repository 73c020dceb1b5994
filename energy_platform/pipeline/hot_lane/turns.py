"""Whose turn it is to write a source's hot copy, among the processes of one machine.

A copy that has been emptied is another copy. Each has a name, by which a writer finds out that what
it knew of the copy no longer holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from filelock import FileLock, Timeout

from energy_platform.errors import HotStoreUnavailableError

_TURN_SECONDS: Final = 60.0
"""How long a writer waits for its turn; one that catches up keeps it for some seconds."""


@dataclass(frozen=True, slots=True)
class HotTurns:
    """The turns of all sources.

    Attributes:
        folder: Where the locks and the copies' names are; made where it is missing.
    """

    folder: Path

    @contextmanager
    def turn(self, source_name: str) -> Iterator[str]:
        """Keep all others from a source's hot copy; say which copy it is.

        Raises:
            HotStoreUnavailableError: Another writer has kept its turn for too long.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{source_name}.lock", timeout=_TURN_SECONDS)
        try:
            with lock:
                name = self._name(source_name)
                yield name.read_text() if name.exists() else ""
        except Timeout:
            raise HotStoreUnavailableError(
                f"{source_name}: another writer has had the hot copy for {_TURN_SECONDS:g} s"
            ) from None

    def name_anew(self, source_name: str) -> None:
        """Give a copy that is about to be emptied another name; for who has the turn."""
        self._name(source_name).write_text(uuid4().hex)

    def _name(self, source_name: str) -> Path:
        return self.folder / f"{source_name}.copy"
