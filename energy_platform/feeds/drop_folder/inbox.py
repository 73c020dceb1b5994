"""An inbox: a folder of whole files that wait to be landed.

A program hands in a submission: one file with a line of JSON that says who sent it, and after it
the document byte for byte. A person drops the document itself; its owner counts as the sender. What
a document says belongs to its format.
"""

import json
import os
import pwd
import secrets
import stat
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from energy_platform.errors import EnergyPlatformError

SENDER: Final = "sender"
"""The name of a message's context that says who sent it."""
REFUSED: Final = "refused"
"""The name of a message's context that says why a file was not taken whole, or not at all."""
MOST_BYTES: Final = 8 * 2**20
"""The greatest size of a document."""
MOST_WAITING: Final = 1_000
"""So many submissions may wait to be landed; then programs are refused."""

_SUFFIX: Final = ".submission"
_UNFINISHED: Final = (".part", ".filepart", ".tmp", ".crdownload", ".new")
_LONGEST_HEAD: Final = 16 * 1024
_BEGINNING_BYTES: Final = 64 * 1024
_SET_ASIDE: Final = "refused"
_MOST_SET_ASIDE: Final = 10
_LEFT_BEHIND_SECONDS: Final = 3_600.0
_ENDS: Final = (b"\n", b"]", b"}")
_ABOUT: Final = TypeAdapter(dict[str, str])
_NANOSECONDS: Final = 10**9

_turn = threading.Lock()
_last_ns = 0


class InboxFullError(EnergyPlatformError):
    """So many submissions wait that no other is taken: the collector does not run."""


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """A file that waits in an inbox, in the order in which files came.

    Attributes:
        came_ns: When it came to be as it is, in nanoseconds since 1970; a rename counts.
        name: Its name.
        size_bytes: Its size.
        inode: Which file of the disk it is.
    """

    came_ns: int
    name: str
    size_bytes: int
    inode: int

    @property
    def identity(self) -> str:
        """What tells this file, as it is, from every other."""
        shown = os.fsencode(self.name).hex()
        return f"{self.came_ns} {self.inode} {self.size_bytes} {shown}"

    @property
    def is_too_large(self) -> bool:
        """Whether it is larger than a document may be."""
        return self.size_bytes > MOST_BYTES + _LONGEST_HEAD

    def is_as(self, about: os.stat_result) -> bool:
        """Return whether a file is still this one, unchanged."""
        return (about.st_ctime_ns, about.st_ino) == (self.came_ns, self.inode)

    @property
    def is_submission(self) -> bool:
        """Whether a program handed it in, and so whole."""
        return self.name.endswith(_SUFFIX)


@dataclass(frozen=True, slots=True)
class Document:
    """What a waiting file holds, and what is known of it."""

    body: bytes
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Inbox:
    """The inbox of one market source."""

    folder: Path

    @classmethod
    def of(cls, home: Path, source_name: str) -> "Inbox":
        """Return the inbox of a source in a home."""
        return cls(home / "inbox" / source_name)

    def put(self, body: bytes, *, sender: str, number: str | None = None, **about: str) -> str:
        """Put a document into the inbox, whole or not at all; return the submission's id.

        Once this returns, the document is durable.

        Args:
            body: The document.
            sender: Who sent it.
            number: The submission's id, if it has one already.
            about: What else the landed message's context shall say.

        Raises:
            InboxFullError: Too many wait.
        """
        self.require_room()
        number = number or new_submission()
        head = json.dumps({**about, SENDER: sender, "submission": number}).encode()
        written = self.folder / f".{number}{_SUFFIX}"
        with written.open("xb") as file:
            file.write(head + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        written.rename(self.folder / f"{number}{_SUFFIX}")
        self._sync()
        return number

    def require_room(self) -> None:
        """Refuse another submission while too many wait.

        Raises:
            InboxFullError: They do.
        """
        self.create()
        if len(self._names()) >= MOST_WAITING:
            raise InboxFullError(
                f"{MOST_WAITING} submissions wait to be landed: does the collector run?"
            )

    def waiting(self) -> list[Waiting]:
        """Return the files that wait, in the order in which they came; none being written."""
        found = []
        for name in self._names():
            try:
                about = (self.folder / name).lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(about.st_mode):
                found.append(Waiting(about.st_ctime_ns, name, about.st_size, about.st_ino))
        return sorted(found)

    def read(self, waiting: Waiting) -> Document | None:
        """Return what a file holds; None if it has gone or changed.

        Of a file that is too large only the beginning is read, and of one that can't be read
        nothing; the context then says so.
        """
        context = {"file": os.fsencode(waiting.name).decode(errors="backslashreplace")}
        try:
            descriptor = os.open(self.folder / waiting.name, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Document(b"", {**context, REFUSED: f"the file can't be read: {error.strerror}"})
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(file.fileno())
            if not waiting.is_as(about):
                return None
            body = file.read(_BEGINNING_BYTES if waiting.is_too_large else waiting.size_bytes)
        if waiting.is_too_large:
            size = f"{waiting.size_bytes:,} bytes; {MOST_BYTES:,} is the most"
            context[REFUSED] = f"the file has {size}"
        if waiting.is_submission and (split := _submission(body)) is not None:
            said, body = split
            return Document(body, {**context, **said})
        return Document(body, {**context, SENDER: _owner(about.st_uid)})

    def is_whole(self, waiting: Waiting) -> bool:
        """Return whether a file's end looks like that of a whole document."""
        try:
            with (self.folder / waiting.name).open("rb") as file:
                file.seek(max(0, waiting.size_bytes - 1))
                return file.read(1) in _ENDS
        except OSError:
            return False

    def remove(self, waiting: Waiting) -> None:
        """Remove a file that has landed, if it is still as it was."""
        path = self.folder / waiting.name
        try:
            if waiting.is_as(path.lstat()):
                path.unlink()
        except FileNotFoundError:
            return

    def set_aside(self, waiting: Waiting) -> None:
        """Keep a file that was not taken in the folder `refused`, which has the newest ten."""
        aside = self.folder / _SET_ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        try:
            (self.folder / waiting.name).replace(aside / waiting.name)
        except FileNotFoundError:
            return
        kept = sorted(aside.iterdir(), key=lambda file: file.lstat().st_ctime_ns)
        for file in kept[:-_MOST_SET_ASIDE]:
            file.unlink()

    def forget_left_behind(self) -> None:
        """Remove what a program that was killed while it handed something in has left."""
        for file in self.folder.glob(f".*{_SUFFIX}"):
            if time.time() - file.lstat().st_mtime > _LEFT_BEHIND_SECONDS:
                file.unlink(missing_ok=True)

    def create(self) -> None:
        """Create the folder, for this user alone, if it is missing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _names(self) -> list[str]:
        with os.scandir(self.folder) as entries:
            return [entry.name for entry in entries if not is_unfinished(entry.name)]

    def _sync(self) -> None:
        """Make the names of the folder's files durable."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_unfinished(name: str) -> bool:
    """Return whether a name is that of a file being written, or of a program's lock.

    >>> is_unfinished(".wind.csv"), is_unfinished("~$wind.csv"), is_unfinished("wind.csv")
    (True, True, False)
    """
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)


def new_submission() -> str:
    """Return an id of a submission; ids of one process are in the order in which they were made."""
    global _last_ns  # noqa: PLW0603 (the last id of this process)
    with _turn:
        _last_ns = max(_last_ns + 1, time.time_ns())
        seconds, nanoseconds = divmod(_last_ns, _NANOSECONDS)
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y%m%dT%H%M%S}.{nanoseconds:09}Z-{secrets.token_hex(4)}"


def _submission(content: bytes) -> tuple[Mapping[str, str], bytes] | None:
    """Return what a submission says of itself, and its document; None if it is none."""
    head, _, body = content.partition(b"\n")
    try:
        said = _ABOUT.validate_json(head)
    except ValidationError:
        return None
    return (said, body) if SENDER in said else None


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
