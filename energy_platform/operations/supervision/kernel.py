"""What Linux keeps for a process: its name, and that it ends with its parent.

On another system both do nothing: there, what a killed supervisor leaves is ended by the next one.
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
    """Let this process be sent a signal as soon as its parent is gone; also if it is gone already.

    Args:
        number: The signal.
        parent: The parent's process id.
    """
    _control(_SET_PARENT_DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def name_process(name: str) -> None:
    """Let `ps` and `top` call this process by a name, cut to what the kernel keeps of it."""
    _control(_SET_NAME, name.encode()[:_LONGEST_NAME])


def _control(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
