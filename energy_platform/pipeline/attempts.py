"""What became of the attempts at a source's next messages, to find the one that none survives.

A process notes which messages it takes, and strikes the note out when they are done. A note that is
left says that the process died. The next one then parses in the limited process, which sets apart a
message that kills. If that does not help, it takes ever fewer messages, so that those before the
one that none survives are stored, and the status can name that one. No message is given up for it:
the process may have been killed from outside. Attempts that failed with an unknown error narrow the
next ones too.

The notes are this machine's. One that can't be written or is lost costs an attempt.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from polars.exceptions import PanicException

from energy_platform.errors import EnergyPlatformError

_LONGEST_NOTE: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is known of the messages from an offset on.

    Attributes:
        start: The offset.
        stop: The offset after the last message of the first attempt that failed.
        failed: How many attempts have failed, less those that succeeded with a part.
        under_way: How many messages an attempt has taken that has not ended; 0 if none has.
    """

    start: int
    stop: int
    failed: int = 0
    under_way: int = 0

    def from_(self, start: int) -> "Trouble":
        """Return what is known from an offset on, where the next attempt begins."""
        if not self.start <= start < self.stop:
            return Trouble(start=start, stop=start)
        if start > self.start:
            return Trouble(start=start, stop=self.stop, failed=max(0, self.failed - 1))
        return self.failed_once_more() if self.under_way else self

    def failed_once_more(self) -> "Trouble":
        """Return what is known after an attempt that failed."""
        # With one more, a single message would be taken all the same.
        most = 1 + max(1, self.stop - self.start).bit_length()
        return replace(self, failed=min(self.failed + 1, most), under_way=0)

    @property
    def is_careful(self) -> bool:
        """Whether the next attempt parses in the limited process."""
        return self.failed > 0

    @property
    def most(self) -> int | None:
        """How many messages the next attempt takes at most; None for no such bound."""
        return None if self.failed <= 1 else max(1, (self.stop - self.start) >> (self.failed - 1))


class Attempt:
    """An attempt at the messages from an offset on. It counts from `begin` to `end`.

    Args:
        trouble: What is known of the messages.
        file: The open file of the note; None if it can't be written, or another process has it.
    """

    def __init__(self, trouble: Trouble, file: int | None) -> None:
        self.trouble = trouble
        self._file = file

    def begin(self, count: int) -> None:
        """Note how many messages are taken."""
        if count:
            known = self.trouble
            stop = max(known.stop, known.start + count)
            self.trouble = replace(known, stop=stop, under_way=count)
            self._write(self.trouble)

    def end(self, count: int) -> None:
        """Note that so many messages are done."""
        if count:
            left = self.trouble.from_(self.trouble.start + count)
            self._write(left if left.failed else None)

    def fail(self, error: BaseException) -> None:
        """Note that the attempt failed, unless the error is known or somebody ended the process."""
        is_unknown = isinstance(error, (Exception, PanicException))
        is_unknown &= not isinstance(error, EnergyPlatformError)
        known = replace(self.trouble, under_way=0)
        left = known.failed_once_more() if is_unknown else known
        self._write(left if left.failed else None)

    def _write(self, trouble: Trouble | None) -> None:
        if self._file is None:
            return
        text = b"" if trouble is None else json.dumps(asdict(trouble)).encode()
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text, 0)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts at all sources.

    Attributes:
        folder: The folder of the notes; created if it is missing.
    """

    folder: Path

    @contextmanager
    def at(self, source_name: str, start: int, *, by: str) -> Iterator[Attempt]:
        """Make an attempt at a source's messages from an offset on.

        Args:
            source_name: The source.
            start: The offset.
            by: Who makes it, such as `batch`; each has notes of its own.
        """
        with self._note(source_name, by) as file:
            known = None if file is None else _read(os.pread(file, _LONGEST_NOTE, 0))
            attempt = Attempt((known or Trouble(start=start, stop=start)).from_(start), file)
            try:
                yield attempt
            except BaseException as error:
                attempt.fail(error)
                raise

    def trouble(self, source_name: str, *, by: str) -> Trouble | None:
        """Return what is known of a source's next messages; None if nothing is."""
        with suppress(OSError):
            return _read(self._path(source_name, by).read_bytes())
        return None

    @contextmanager
    def _note(self, source_name: str, by: str) -> Iterator[int | None]:
        """Open a note for this attempt alone; yield None if another attempt has it."""
        with ExitStack() as stack:
            file: int | None = None
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                opened = os.open(self._path(source_name, by), os.O_RDWR | os.O_CREAT, 0o600)
                stack.callback(os.close, opened)  # which also lets another attempt have it
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file = opened
            yield file

    def _path(self, source_name: str, by: str) -> Path:
        return self.folder / f"{source_name}.{by}"


def _read(text: bytes) -> Trouble | None:
    """Return a note; None if there is none, or one that was cut."""
    try:
        said = json.loads(text) if text else {}
        return Trouble(**said) if said and all(type(one) is int for one in said.values()) else None
    except (ValueError, TypeError, AttributeError):
        return None
