"""The limited process's own side: it calls what it is asked to, each call within its budget.

`limited_process` starts it as a program, with the number of an inherited socket. It imports what
calls need and starts no thread, so that it can be forked: a fork answers the calls, and when a call
has killed it the next fork is there at once. All end with their parent, and after some minutes
without a call.

A request is its number, and the pickled name of a function and its arguments; a reply is the same
number, and how the call ended.
"""

import importlib
import math
import mmap
import os
import pickle
import pkgutil
import resource
import signal
from contextlib import suppress
from contextvars import ContextVar
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from polars.exceptions import PanicException

from energy_platform.errors import OverBudgetError, reason_of
from energy_platform.market.budget import CPU_SECONDS, MEMORY_BYTES

NUMBER_BYTES: Final = 8

_IDLE_SECONDS: Final = 120.0
_WORN_BYTES: Final = 512 << 20
"""A fork that has become this large ends after its call, which gives the memory back."""
_ENDED, _WORN = 0, 3
_MEMORY_FILE: Final = Path("/proc/self/statm")
_ALL, _RESIDENT = 0, 1

_IS_THIS: Final = ContextVar("_IS_THIS", default=False)


class Outcome(Enum):
    """How a call ended."""

    VALUE = "value"
    REFUSED = "refused"
    OVER_BUDGET = "over budget"
    DIED = "died"


def is_this_process() -> bool:
    """Return whether this is a limited process."""
    return _IS_THIS.get()


def called(name: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401 (what it returns)
    """Call a function by its module and name, as `module:function`."""
    return pkgutil.resolve_name(name)(*arguments)


def main(socket: int, *modules: str) -> None:
    """Be the limited process, at the other end of an inherited socket.

    Args:
        socket: The socket's number.
        modules: What the first call needs; the forks need not import it again.
    """
    # It ends with its parent, whoever tells the two to stop.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _IS_THIS.set(True)
    for module in modules:
        with suppress(ImportError):  # the call will say so
            importlib.import_module(module)
    connection, under_way = Connection(socket), mmap.mmap(-1, NUMBER_BYTES)
    before = under_way[:]
    with suppress(OSError):  # the parent has ended
        while (code := _forked(connection, under_way)) != _ENDED:
            if code != _WORN:
                if under_way[:] == before:
                    return  # it died of no call, so another fork may do so too
                connection.send_bytes(under_way[:] + _pickled(Outcome.DIED, code))
            before = under_way[:]


def answer(request: memoryview) -> bytes:
    """Return the reply to a request, both without their number."""
    try:
        name, arguments = pickle.loads(request)  # noqa: S301 (of our parent process)
        function = pkgutil.resolve_name(name)
        _limit_the_next_call()
        return _pickled(Outcome.VALUE, function(*arguments))
    except OverBudgetError as error:
        return _pickled(Outcome.OVER_BUDGET, reason_of(error))
    except (Exception, PanicException) as error:  # noqa: BLE001 (a body may make a parser raise anything)
        if _is_for_lack_of_memory(error):
            said = f"reading it takes more than {MEMORY_BYTES >> 20:,} MB of memory"
            return _pickled(Outcome.OVER_BUDGET, said)
        return _pickled(Outcome.REFUSED, reason_of(error))


def _forked(connection: Connection, under_way: mmap.mmap) -> int:
    """Let a fork answer calls; return its exit code, which is negative after a signal."""
    if (fork := os.fork()) == 0:
        code = 1
        try:
            code = _serve(connection, under_way)
        finally:
            os._exit(code)
    _, status = os.waitpid(fork, 0)
    return os.waitstatus_to_exitcode(status)


def _serve(connection: Connection, under_way: mmap.mmap) -> int:
    """Answer calls until the parent has ended, or this fork is better begun anew."""
    try:
        while connection.poll(_IDLE_SECONDS):
            request = connection.recv_bytes()
            number = under_way[:] = request[:NUMBER_BYTES]
            connection.send_bytes(number + answer(memoryview(request)[NUMBER_BYTES:]))
            if _bytes(_RESIDENT) > _WORN_BYTES:
                return _WORN
    except (EOFError, OSError):
        return _ENDED
    return _ENDED


def _pickled(outcome: Outcome, content: object) -> bytes:
    return pickle.dumps((outcome, content), protocol=pickle.HIGHEST_PROTOCOL)


def _limit_the_next_call() -> None:
    """Let the process take one message's budget more than it has taken by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + CPU_SECONDS
    _limit(resource.RLIMIT_CPU, seconds)
    if taken := _bytes(_ALL):
        _limit(resource.RLIMIT_AS, taken + MEMORY_BYTES)


def _limit(kind: int, most: int) -> None:
    """Set a limit that this process may move, below the one that it may not."""
    _, hard = resource.getrlimit(kind)
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (soft, hard))


def _bytes(which: int) -> int:
    """Return the process's address space or resident memory; 0 where the system doesn't say it."""
    try:
        return int(_MEMORY_FILE.read_text().split()[which]) * resource.getpagesize()
    except FileNotFoundError:
        return 0


def _is_for_lack_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised from, is a lack of memory."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False
