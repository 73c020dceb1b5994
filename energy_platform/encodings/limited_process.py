"""A warm process with limits of memory and CPU time, for what may crash a library or run away.

`within_limits` calls a function there: the body that is too much for a library kills that process,
and not the worker. There is one for each process that needs it, from the first call on;
`limited_worker` is its side of the connection. `body_weight` says which bodies are read here.
"""

import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from energy_platform.encodings import limited_worker
from energy_platform.encodings.limited_worker import NUMBER_BYTES, Outcome
from energy_platform.errors import OverBudgetError, ParseError, ReaderDiedError, UsageError
from energy_platform.market.budget import CPU_SECONDS, MEMORY_BYTES

_PROGRAM: Final = (
    f"import sys; from {limited_worker.__name__} import main; main(int(sys.argv[1]), *sys.argv[2:])"
)
_LONGEST_SECONDS: Final = 600
"""How long a call may last by the wall clock; CPU time is limited, so this ends what only waits."""
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
"""What it sees of this process's environment: no setting, and so no secret."""
_ENDING_SECONDS: Final = 10.0
_TRIES: Final = 3
"""A process that ends by itself, since nobody asked it for long, may miss a call."""

_log = logging.getLogger(__name__)


def within_limits(name: str, *arguments: object) -> Any:  # noqa: ANN401 (what the function returns)
    """Call a function in the limited process, or directly if this is that process.

    Args:
        name: The function's module and name, as `energy_platform.encodings.workbook:sheets`. This
            process need not import it.
        arguments: What it gets; sent as a pickle, as is what it returns.

    Raises:
        OverBudgetError: It took more rows, memory or CPU time than one message may.
        ReaderDiedError: It killed the process in another way.
        ParseError: It raised an error, whose words this one has.
        UsageError: The arguments can't be sent.
    """
    if limited_worker.is_this_process():
        return limited_worker.called(name, arguments)
    return _limited_process().call(name, arguments)


class _LimitedProcess:
    """The process and the connection to it. Threads take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._numbers = count(1)

    def call(self, name: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401
        """Call a function there, as `within_limits` does."""
        try:
            request = pickle.dumps((name, arguments), protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(f"a function of its module's top level is needed: {error}") from error
        modules = dict.fromkeys(_modules(name, arguments))
        with self._turn:
            outcome, content = self._answer(request, [*modules])
        match outcome:
            case Outcome.VALUE:
                return content
            case Outcome.OVER_BUDGET:
                raise OverBudgetError(str(content))
            case Outcome.REFUSED:
                raise ParseError(str(content))
            case Outcome.DIED:
                raise _died(content)

    def _answer(self, request: bytes, modules: list[str]) -> tuple[Outcome, object]:
        for _ in range(_TRIES):
            connection = self._started(modules)
            number = next(self._numbers).to_bytes(NUMBER_BYTES, "big")
            try:
                connection.send_bytes(number + request)
                while True:
                    if not connection.poll(_LONGEST_SECONDS):
                        self.stop()
                        raise OverBudgetError(f"it was not read within {_LONGEST_SECONDS} s")
                    reply = connection.recv_bytes()
                    # A fork that was killed after its reply leaves another one behind.
                    if reply.startswith(number):
                        told = memoryview(reply)[NUMBER_BYTES:]
                        outcome, content = pickle.loads(told)  # noqa: S301 (of our own process)
                        return outcome, content
            except (EOFError, OSError, pickle.UnpicklingError):
                if (code := self._end()) != 0:
                    return Outcome.DIED, code
        return Outcome.DIED, 0

    def _started(self, modules: list[str]) -> Connection:
        if self._connection is not None:
            return self._connection
        self._connection, theirs = Pipe()
        _never_wait_for_ever(self._connection)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (this package's own program)
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                # One thread each: it is the CPU time that counts, and threads take address space.
                env={
                    **{name: os.environ[name] for name in _INHERITED if name in os.environ},
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "POLARS_MAX_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self._connection

    def _end(self) -> int:
        """Forget a process that has hung up; return its exit code."""
        process = self._process
        if process is None:
            return 0
        try:
            code = process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.stop()
        return code

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._connection = self._process = None


def _modules(name: str, arguments: tuple[object, ...]) -> Iterator[str]:
    """Yield the modules that a call needs."""
    yield name.partition(":")[0]
    yield from (one.__module__ for one in arguments if callable(one))


def _died(code: object) -> OverBudgetError:
    if code == -signal.SIGXCPU:
        return OverBudgetError(f"reading it takes more than {CPU_SECONDS} s of CPU time")
    _log.warning("the process that reads messages within limits died with code %s", code)
    return ReaderDiedError(
        "it killed the process that read it: a library crashed, or it took more than"
        f" {MEMORY_BYTES >> 20:,} MB of memory"
    )


def _never_wait_for_ever(connection: Connection) -> None:
    """Let each single write and read fail in the end, if the process is stopped in the middle."""
    span = struct.pack("ll", _LONGEST_SECONDS, 0)
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, span)


@cache
def _limited_process() -> _LimitedProcess:
    return _LimitedProcess()


# A fork must not use its parent's connection.
os.register_at_fork(after_in_child=_limited_process.cache_clear)
