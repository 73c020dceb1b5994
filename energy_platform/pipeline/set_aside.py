"""The messages that are set aside: they are in quarantine, and no one parses them.

A person sets one aside that blocks its source, and a redrive tries it again. They are in the
landing zone's notes, one version per change, so that batches, hot lanes and replays on all machines
leave out the same messages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from energy_platform.storage.landing.notes import Notes

BY_HAND: Final = "set aside by hand"

_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class SetAside:
    """What is set aside of the logs of one landing zone."""

    notes: Notes

    def of(self, source_name: str) -> Mapping[int, str]:
        """Return the landing offsets of a source that are set aside, and the reasons."""
        _, text = self.notes.newest(_note(source_name))
        return _read(text)

    def add(self, source_name: str, offset: int, reason: str) -> None:
        """Set a message aside; nothing changes if it is.

        Raises:
            TimeoutError: Others wrote all the time.
        """
        for _ in range(_TRIES):
            version, text = self.notes.newest(_note(source_name))
            known = _read(text)
            if offset in known or self._write(source_name, version, {**known, offset: reason}):
                return
        raise TimeoutError(f"what is set aside of {source_name} is being written by others")

    def forget(self, source_name: str, *, before: int) -> None:
        """Let the messages before a landing offset be parsed again.

        Raises:
            TimeoutError: Others wrote all the time.
        """
        for _ in range(_TRIES):
            version, text = self.notes.newest(_note(source_name))
            known = _read(text)
            left = {offset: why for offset, why in known.items() if offset >= before}
            if left == known or self._write(source_name, version, left):
                return
        raise TimeoutError(f"what is set aside of {source_name} is being written by others")

    def _write(self, source_name: str, version: int, offsets: Mapping[int, str]) -> bool:
        text = json.dumps(offsets, separators=(",", ":")).encode()
        return self.notes.add(_note(source_name), version + 1, text)


def _read(text: bytes) -> Mapping[int, str]:
    return {int(offset): why for offset, why in json.loads(text).items()} if text else {}


def _note(source_name: str) -> str:
    return f"set_aside/{source_name}"
