"""Word of what has landed, from whoever appends to whoever follows, on one machine.

A named pipe carries the names of sources, a line each. It is a hint and no log: nobody waits for a
reader, and the reader of a line that was lost looks later. The log itself says where it ends.
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

Tell = Callable[[str], None]
"""Takes the name of a source of which something has landed."""


def tell_nobody(_source_name: str) -> None:
    """Take the name where nobody wants to know."""


class LandingNews:
    """Tells the reader of a pipe which source has landed something. Threads may share it.

    Args:
        pipe: The pipe; while nobody has made it, nobody is told.
    """

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe
        self._descriptor: int | None = None
        self._lock = Lock()

    def __call__(self, source_name: str) -> None:
        """Tell of a source; neither a missing reader nor a full pipe holds the teller up."""
        with self._lock:
            # The second time, in case the reader that was known has been started anew.
            if not self._told(source_name):
                self._told(source_name)

    def close(self) -> None:
        """Let go of the pipe; the next word opens it again."""
        with self._lock:
            self._close()

    def _told(self, source_name: str) -> bool:
        """Write a line; say whether a reader has the pipe, be it full."""
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
        pipe: The pipe; it and its folder are made where they are missing.
    """

    def __init__(self, pipe: Path) -> None:
        pipe.parent.mkdir(parents=True, exist_ok=True)
        if pipe.exists() and not stat.S_ISFIFO(pipe.stat().st_mode):
            pipe.unlink()
        if not pipe.exists():
            os.mkfifo(pipe, 0o600)
        # For writing too: a pipe without any writer would be at its end again and again.
        self._descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` with each source's name, from the running event loop."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._read, heard)

    def close(self) -> None:
        """Hear no more."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self, heard: Callable[[str], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            *lines, self._rest = (self._rest + os.read(self._descriptor, _READ_BYTES)).split(b"\n")
            for name in {line.decode(errors="replace") for line in lines}:
                heard(name)
