"""Which trading signals are silent, and why: a line in a file of each, for alerts and screens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_FILE: Final = "silent_because"
_SEPARATOR: Final = "\n"


def note(home: Path, signal: str, reasons: Sequence[str]) -> None:
    """Note why a signal is silent; no reason if it speaks."""
    folder = home / "signals" / signal
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{_FILE}"
    fresh.write_text(_SEPARATOR.join(reasons))
    fresh.replace(folder / _FILE)


def silences(home: Path) -> Mapping[str, Sequence[str]]:
    """Return the reasons of each signal that has a model; none of one that speaks.

    A signal that never had one is not missed by anybody.
    """
    found = {}
    for file in sorted((home / "signals").glob(f"*/{_FILE}")):
        if not (file.parent / "current").exists():
            continue
        text = file.read_text()
        found[file.parent.name] = text.split(_SEPARATOR) if text else []
    return found
