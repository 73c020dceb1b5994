"""A server's process that hangs for a while."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hanging(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """Stop a process and its group while the context lasts: it takes connections and is silent."""
    assert process is not None, "it does not run"
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)
