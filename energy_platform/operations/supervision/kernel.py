"""What Linux does for a process: shows its name, and ends it with its parent.

On another system both functions do nothing; the next supervisor ends what a killed one left behind.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_SET_PARENT_DEATH_SIGNAL: Final = 1
_SET_NAME: Final = 15
_LONGEST_NAME: Final = 15


def end_with_parent(number: signal.Signals, parent: int) -> None:
    """Let the kernel send this process a signal when its parent ends, or now if it has ended.

    Args:
        number: The signal.
        parent: The parent's process id.
    """
    _control(_SET_PARENT_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def name_process(name: str) -> None:
    """Let `ps` and `top` show this process by a name, cut to the kernel's length."""
    _control(_SET_NAME, name.encode()[:_LONGEST_NAME])


def _control(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
