"""Turns for writing a source's hot copy, among the processes of one machine.

A copy that has been emptied counts as another copy. Each copy has a name, which tells a writer
whether its knowledge of the copy still holds.
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
        folder: The folder of the locks and the copies' names; created if it is missing.
    """

    folder: Path

    @contextmanager
    def turn(self, source_name: str) -> Iterator[str]:
        """Keep all others from writing a source's hot copy; yield the copy's name.

        Raises:
            HotStoreUnavailableError: Another writer has kept its turn for too long.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f"{source_name}.lock", timeout=_TURN_SECONDS)
        try:
            with lock:
                name = self._name(source_name)
                # A damaged name is one more name.
                yield name.read_text(errors="replace") if name.exists() else ""
        except Timeout:
            raise HotStoreUnavailableError(
                f"{source_name}: another writer has had the hot copy for {_TURN_SECONDS:g} s"
            ) from None

    def name_anew(self, source_name: str) -> None:
        """Give a copy that is about to be emptied another name; the caller has the turn."""
        self._name(source_name).write_text(uuid4().hex)

    def _name(self, source_name: str) -> Path:
        return self.folder / f"{source_name}.copy"
