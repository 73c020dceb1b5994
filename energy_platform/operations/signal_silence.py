"""Which trading signals are silent, and why: a line in a file of each, for alerts and screens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from energy_platform.operations.supervision.home import write_whole

CURRENT: Final = "current"
"""The file of a signal's folder that is there once it has a model."""
_FOLDER: Final = "signals"
_FILE: Final = "silent_because"
_SEPARATOR: Final = "\n"


def folder_of(home: Path, signal: str) -> Path:
    """Return the folder of a signal in a home."""
    return home / _FOLDER / signal


def note(home: Path, signal: str, reasons: Sequence[str]) -> None:
    """Note why a signal is silent; no reason if it speaks."""
    folder = folder_of(home, signal)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / _FILE, _SEPARATOR.join(reasons))


def silences(home: Path) -> Mapping[str, Sequence[str]]:
    """Return the reasons of each signal that has a model; none of one that speaks.

    A signal that never had one is not missed by anybody.
    """
    found = {}
    for file in sorted(home.glob(f"{_FOLDER}/*/{_FILE}")):
        if not (file.parent / CURRENT).exists():
            continue
        text = file.read_text()
        found[file.parent.name] = text.split(_SEPARATOR) if text else []
    return found
