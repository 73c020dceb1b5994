"""Objects in a folder or a bucket, as a log needs them: create-only, whole and durable.

`obstore` reads and writes both. For folders it neither syncs nor creates atomically; this module
adds that.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore

_STAGED_SUFFIX = ".staged"


def create(store: ObjectStore, path: str, body: bytes, *, writer: str) -> bool:
    """Write an object that must not exist yet; return whether it now exists with these bytes.

    If the object exists with these bytes, an earlier try has written them and its answer was lost.
    Writers therefore make their bytes unique. On return the object is durable; after a failure it
    exists as a whole or not at all.
    """
    if isinstance(store, LocalStore):
        return _create_file(_root(store), path, body, writer)
    try:
        obstore.put(store, path, body, mode="create")
    except AlreadyExistsError:
        return fetch(store, path) == body
    return True


def discard_staged(store: ObjectStore, folder: str) -> None:
    """Remove the staged files of killed writers.

    A writer that is alive finds that it has been displaced; a guest tries again.
    """
    if isinstance(store, LocalStore):
        for staged in (_root(store) / folder).glob(f"*{_STAGED_SUFFIX}"):
            staged.unlink(missing_ok=True)


def exists(store: ObjectStore, path: str) -> bool:
    """Return whether the object is there."""
    try:
        obstore.head(store, path)
    except FileNotFoundError:
        return False
    return True


def make_durable(store: ObjectStore, path: str) -> None:
    """Make an object that another writer created survive a power cut.

    Its bytes are durable already, since it has its name; the name may not be.
    """
    if isinstance(store, LocalStore):
        _sync_folders(_root(store), _root(store) / path)


def place(store: ObjectStore, path: str) -> str:
    """Return where people find an object: its file, or its path in the bucket."""
    return str(_root(store) / path) if isinstance(store, LocalStore) else path


def fetch(store: ObjectStore, path: str) -> bytes:
    """Return an object's bytes.

    Raises:
        FileNotFoundError: There is no such object.
    """
    return bytes(obstore.get(store, path).bytes())


def size_bytes(store: ObjectStore, folder: str) -> int:
    """Return the size of all objects in a folder."""
    return sum(meta["size"] for chunk in obstore.list(store, folder) for meta in chunk)


def remove(store: ObjectStore, paths: Sequence[str]) -> None:
    """Remove objects, and the folders that become empty; another may be removing the same."""
    with contextlib.suppress(FileNotFoundError):
        obstore.delete(store, paths)
    if isinstance(store, LocalStore):
        for folder in {(_root(store) / path).parent for path in paths}:
            # A folder with another object stays.
            with contextlib.suppress(OSError):
                folder.rmdir()


def _root(store: LocalStore) -> Path:
    if store.prefix is None:
        raise ValueError("a landing zone needs a folder of its own")
    return Path(store.prefix)


def _create_file(root: Path, path: str, body: bytes, writer: str) -> bool:
    """Stage the file, make its bytes durable, and only then give it its name.

    obstore's local store links a name to bytes that it never syncs: after a power cut an
    acknowledged segment could be missing or empty. The hard link is also the create-only step: it
    fails if the name is taken, also by another process.
    """
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.parent.parent / f"{writer}{_STAGED_SUFFIX}"
    try:
        with staged.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        try:
            target.hardlink_to(staged)
        except FileExistsError:
            if target.read_bytes() != body:
                return False
        except FileNotFoundError:
            # The log's new owner discarded the staged file.
            return False
    finally:
        staged.unlink(missing_ok=True)
    _sync_folders(root, target)
    return True


def _sync_folders(root: Path, target: Path) -> None:
    for folder in target.relative_to(root).parents:
        _sync_folder(root / folder)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; syncing a file does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
