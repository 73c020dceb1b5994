"""Checks of the home: who may read it, what is damaged in it, what does not belong there."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from energy_platform.operations.databases import databases
from energy_platform.operations.doctor.finding import Finding, Patient, note, wrong
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.pipeline.stores import is_simulated_alone
from energy_platform.settings import Markets, variable

OWN: Final = frozenset(
    {
        "access", "alerts.lock", "alerts.sqlite", "backfills", "batch_history.sqlite", "broker",
        "dagster", "demo", "feeds", "hot.sqlite", "hot_locks", "hot_turns", "inbox", "landing",
        "landing_is_simulated", "logs", "marts", "provider_limits.sqlite", "recent", "run",
        "signals", "simulator", "warehouse",
    }
)  # fmt: skip
"""The names in a home's top folder; a database's further files begin with its name."""
_OF_OTHERS: Final = 0o077
_DATABASE: Final = b"SQLite format 3\0"
_SET_ASIDE: Final = ("*.damaged-*", "*/*.damaged-*", "feeds/*/*.damaged-*")
"""Where side files are; a landing zone has too many files to look at each."""
_SHOWN: Final = 3


def use(patient: Patient) -> Iterator[Finding]:
    """Yield that this user can't keep anything in the home."""
    home = patient.settings.home.absolute()
    if home.exists() and not home.is_dir():
        yield wrong(f"{home} is no folder", f"name another one in {variable('home')}")
    elif home.exists() and home.stat().st_uid != os.getuid():
        yield wrong(
            f"{home} belongs to another user",
            f"run as that user, or name another folder in {variable('home')}",
        )
    elif not _is_writable(home):
        yield wrong(
            f"{home} can't be written",
            f"give this user the right (chmod u+rwx), or name another folder in {variable('home')}",
        )


def privacy(patient: Patient) -> Iterator[Finding]:
    """Yield what other users of the machine can read: market data, passwords, sockets."""
    home = patient.settings.home
    if _is_open(home):
        yield wrong(
            f"other users of this machine may open {home}",
            f"chmod 700 {home}; `up` does so too",
        )
    for name in ("access", "run"):
        folder = home / name
        found = sorted(one for one in [folder, *_files(folder)] if _is_open(one))
        if found:
            yield wrong(
                f"other users of this machine may read {_listed(found)}",
                f"chmod -R go= {folder}",
            )


def left_processes(patient: Patient) -> Iterator[Finding]:
    """Yield the processes that a killed platform left behind."""
    if patient.is_running:
        return
    orphans = Supervisor(patient.settings.home).orphans()
    if orphans:
        pids = ", ".join(str(one.pid) for one in orphans)
        yield wrong(
            f"no supervisor runs from this home, and {len(orphans)} of its processes do: {pids}",
            "energy-platform up ends them and starts anew; or end them with kill",
        )


def no_databases(patient: Patient) -> Iterator[Finding]:
    """Yield the side files that are no databases any more."""
    for file in databases(patient.settings.home):
        with file.open("rb") as opened:
            beginning = opened.read(len(_DATABASE))
        if beginning and beginning != _DATABASE:
            yield wrong(
                f"{file} is damaged: it does not begin as a database",
                "start the platform: it sets the file aside and begins a new one;"
                " docs/operations.md says what is lost with it",
            )


def set_aside(patient: Patient) -> Iterator[Finding]:
    """Yield the damaged files that were set aside and nobody has looked at."""
    home = patient.settings.home
    found = sorted(one for pattern in _SET_ASIDE for one in home.glob(pattern))
    if found:
        yield note(
            f"damaged files were set aside: {_listed(found)}",
            "look for the cause (the disk, a power cut), then delete them",
        )


def strange_files(patient: Patient) -> Iterator[Finding]:
    """Yield what is in the home and is not this version's."""
    home = patient.settings.home
    if not home.is_dir():
        return
    found = sorted(one for one in home.iterdir() if not _is_own(one.name))
    if found:
        yield note(
            f"{_listed(found)}: not of this version of the platform",
            "another version, or a person, has left it; what nobody needs may go",
        )


def mixed_markets(patient: Patient) -> Iterator[Finding]:
    """Yield that rows of real markets would come beside simulated ones."""
    chosen = patient.settings
    if chosen.markets is Markets.LIVE and is_simulated_alone(chosen):
        yield wrong(
            f"{chosen.home} holds data of simulated markets, and {variable('markets')} is live:"
            " rows of both would be in one table",
            f"name another folder in {variable('home')}",
        )


def _is_own(name: str) -> bool:
    kept = tuple(one for one in OWN if one.endswith(".sqlite"))
    # dbt and other tools take the home for their user's, and keep hidden files there.
    return name in OWN or name.startswith((".", *kept))


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.lstat().st_mode & _OF_OTHERS) and not path.is_symlink()


def _files(folder: Path) -> Iterator[Path]:
    return (one for one in folder.rglob("*") if one.is_file())


def _listed(paths: list[Path]) -> str:
    shown = ", ".join(map(str, paths[:_SHOWN]))
    return f"{shown} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown


def _is_writable(folder: Path) -> bool:
    """Return whether this user may create files in a folder, or in the one where it will be."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return os.access(there, os.W_OK | os.X_OK)
