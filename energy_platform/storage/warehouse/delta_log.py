"""The log of a Delta table in a local folder: is its newest commit whole, and is it on the disk?

A commit is an entry of the log and the files that it adds. If the newest one is torn, by a power
cut or by hand, it is set aside: the table is then as it was before, its position included, so that
micro-batches make the rows again from the landing zone. An older commit that is torn can't be
undone like this; a replay makes such a table anew.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from filelock import FileLock

from energy_platform.errors import DamagedTableError
from energy_platform.market.table import Table
from energy_platform.storage.aside import set_aside

_LOG: Final = "_delta_log"
_VERSION_DIGITS: Final = 20
_CHECKPOINT: Final = ".checkpoint.parquet"
_LAST_CHECKPOINT: Final = "_last_checkpoint"
_LOCKS: Final = ".locks"
_TURN_SECONDS: Final = 60.0
_OFFSET: Final = "landing_offset"

_log = logging.getLogger(__name__)


def log_folder(folder: Path) -> Path:
    """Return the folder of a table's log."""
    return folder / _LOG


def commit_file(folder: Path, version: int) -> Path:
    """Return the log's entry of a version."""
    return folder / _LOG / f"{version:0{_VERSION_DIGITS}}.json"


def mending(root: Path, table: Table) -> FileLock:
    """Return the lock of the process that mends a table below a root; it may take it twice."""
    lock = root / _LOCKS / f"{table.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(lock, timeout=_TURN_SECONDS, is_singleton=True)


def set_torn_commits_aside(root: Path, table: Table) -> None:
    """Set aside the newest commit of a table while it is torn, and say so.

    Raises:
        DamagedTableError: A torn commit has later ones, or none before it.
    """
    folder = root / table.name
    if not _torn(table, folder):
        return
    with mending(root, table):
        # Another process may have been faster.
        while torn := _torn(table, folder):
            version, why = torn
            commits, checkpoints = _versions(folder)
            if version != max(commits) or version <= min([*commits, *checkpoints]):
                raise DamagedTableError(table.name, commit_file(folder, version), why)
            kept = set_aside(commit_file(folder, version))
            _log.error(
                "%s: its newest commit is torn (%s): it is kept as %s. %s",
                table.name, why, kept, _made_again(table),
            )  # fmt: skip


def _made_again(table: Table) -> str:
    """Return who makes the rows of a commit again that was set aside."""
    kind, is_of, source = table.name.rpartition("/")
    if not is_of:
        return "Micro-batches make its rows again from what landed"
    # Batches go on where the source's table stands, and that has not changed.
    return f"Next: energy-platform replay {source} makes its {kind} again from what landed"


def make_durable(folder: Path, version: int) -> None:
    """Make a commit survive a power cut: the files that it adds first, and then its entry."""
    entry = commit_file(folder, version)
    for action in _actions(entry):
        if "add" in action:
            _sync(folder / unquote(action["add"]["path"]))
    _sync(folder)
    _sync(entry)
    if (checkpoint := entry.with_name(entry.name.replace(".json", _CHECKPOINT))).exists():
        # From now on a table is read from here, and the earlier entries are deleted.
        _sync(checkpoint)
        _sync(entry.with_name(_LAST_CHECKPOINT))
    _sync(entry.parent)
    if version == 0:
        for above in (folder.parent, folder.parent.parent):
            _sync(above)


def _torn(table: Table, folder: Path) -> tuple[int, str] | None:
    """Return the first commit that is torn, and why; None if none is.

    Only the newest is read. An empty entry is torn too, and Delta would take it for a commit that
    changes nothing.
    """
    commits, checkpoints = _versions(folder)
    needed = [version for version in commits if version > max(checkpoints, default=-1)]
    for version in needed[:-1]:
        if _is_empty(commit_file(folder, version)):
            return version, "its entry in the log is empty"
    if not needed:
        return None
    why = _why_torn(table, folder, commit_file(folder, needed[-1]))
    return (needed[-1], why) if why else None


def _why_torn(table: Table, folder: Path, entry: Path) -> str:
    """Return why a commit is torn; an empty text if it is whole."""
    try:
        actions = list(_actions(entry))
    except FileNotFoundError:
        return ""  # set aside by another process at this moment
    except ValueError as error:
        return f"its entry in the log can't be read: {error}"
    added = [one["add"] for one in actions if "add" in one]
    return _what_lacks(table, actions, len(added)) or next(_damaged_files(folder, added), "")


def _what_lacks(table: Table, actions: Sequence[Mapping[str, Any]], added: int) -> str:
    """Return what an entry of the log lacks that was cut off between two of its lines."""
    if not actions:
        return "its entry in the log is empty"
    done: Mapping[str, Any] = next(
        (one["commitInfo"] for one in actions if "commitInfo" in one), {}
    )
    if done.get("operation") != "WRITE":
        return ""
    counted = done.get("operationMetrics", {}).get("num_added_files", added)
    if counted != added:
        return f"its entry in the log has {added} of {counted} added files"
    if _OFFSET in table.dtypes and not any("txn" in one for one in actions):
        return "its entry in the log lacks the position"
    return ""


def _damaged_files(folder: Path, added: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield how files are damaged, as far as their names and sizes tell."""
    for one in added:
        file = folder / unquote(one["path"])
        if not file.exists():
            yield f"{file.name} is missing"
        elif file.stat().st_size != one["size"]:
            yield f"{file.name} has {file.stat().st_size} bytes, not {one['size']}"


def _is_empty(entry: Path) -> bool:
    try:
        return entry.stat().st_size == 0
    except FileNotFoundError:
        return False  # deleted at this moment, since a checkpoint holds it


def _actions(entry: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the actions of a log entry.

    Raises:
        FileNotFoundError: There is no such entry.
        ValueError: It is not one JSON object per line.
    """
    for line in entry.read_bytes().splitlines():
        action = json.loads(line)
        if not isinstance(action, dict):
            raise ValueError(f"{line!r:.40} is no action")  # noqa: TRY004 (of the file, not of us)
        yield action


def _versions(folder: Path) -> tuple[list[int], list[int]]:
    """Return the versions that have an entry in a table's log, and those with a checkpoint."""
    commits, checkpoints = [], []
    for name in sorted(one.name for one in (folder / _LOG).iterdir()):
        version, rest = name[:_VERSION_DIGITS], name[_VERSION_DIGITS:]
        if version.isdecimal() and rest == ".json":
            commits.append(int(version))
        elif version.isdecimal() and rest.startswith(".checkpoint"):
            checkpoints.append(int(version))
    return commits, checkpoints


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
