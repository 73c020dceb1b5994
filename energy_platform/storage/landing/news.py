"""Notifications of landings, from processes that append to the one that follows, on one machine.

A named pipe carries the names of sources, one per line. It is a hint and no log: nobody waits for a
reader, and a reader that missed a line looks later. The log itself says where it ends. Between
machines `landed_topic` does the same.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

_READ_BYTES: Final = 65_536

Tell = Callable[[str, range], None]
"""Takes the name of a source of which something has landed, and the landing offsets."""


def tell_nobody(_source_name: str, _offsets: range) -> None:
    """Ignore what has landed."""


def tell_all(*listeners: Tell) -> Tell:
    """Return a way to tell several."""

    def tell(source_name: str, offsets: range) -> None:
        for listener in listeners:
            listener(source_name, offsets)

    return tell


class LandingNews:
    """Tells the reader of a pipe which source has landed something. Threads may share it.

    Args:
        pipe: The pipe; while it does not exist, nobody is notified.
    """

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe
        self._descriptor: int | None = None
        self._lock = Lock()

    def __call__(self, source_name: str, _offsets: range) -> None:
        """Notify the reader of a source; neither a missing reader nor a full pipe blocks."""
        with self._lock:
            # The second try, in case the reader was restarted.
            if not self._told(source_name):
                self._told(source_name)

    def close(self) -> None:
        """Close the pipe; the next notification opens it again."""
        with self._lock:
            self._close()

    def _told(self, source_name: str) -> bool:
        """Write a line; return whether there is a reader, even if the pipe is full."""
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._descriptor, f"{source_name}\n".encode())
        except BlockingIOError:
            return True
        except OSError:
            self._close()
            return False
        return True

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class LandingListener:
    """The reader's end of the pipe, for one event loop.

    Args:
        pipe: The pipe; the pipe and its folder are created if they are missing.
    """

    def __init__(self, pipe: Path) -> None:
        pipe.parent.mkdir(parents=True, exist_ok=True)
        if pipe.exists() and not stat.S_ISFIFO(pipe.stat().st_mode):
            pipe.unlink()
        if not pipe.exists():
            os.mkfifo(pipe, 0o600)
        # Opened for writing too, because a pipe without any writer reports its end again and again.
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` with each source's name, from the running event loop."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read, heard)

    def close(self) -> None:
        """Close the pipe."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self, heard: Callable[[str], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            *lines, self._rest = (self._rest + os.read(self._descriptor, _READ_BYTES)).split(b"\n")
            for name in {line.decode(errors="replace") for line in lines}:
                heard(name)
