"""The limited process: what is too much for it, or kills it, costs one call and nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from energy_platform.encodings import limited_process
from energy_platform.encodings.limited_process import within_limits
from energy_platform.errors import OverBudgetError, ParseError, ReaderDiedError, UsageError


def double(number: int) -> int:
    return 2 * number


def take(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


KEPT: list[bytes] = []


def keep(megabytes: int) -> int:
    """Keep so much memory, and use it."""
    KEPT.extend(b"x" * (1 << 20) for _ in range(megabytes))
    return os.getpid()


def hide(megabytes: int) -> int:
    try:
        return take(megabytes)
    except MemoryError as error:
        raise ParseError("not a file") from error


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


def end() -> None:
    os._exit(0)


def me() -> int:
    return os.getpid()


def is_there(process: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def call() -> Iterator[Callable[..., Any]]:
    def within(function: Callable[..., object], *arguments: object) -> Any:
        return within_limits(f"{__name__}:{function.__name__}", *arguments)

    assert within(double, 1) == 2
    yield within
    assert within(double, 4) == 8, "the process is not there for the next"


def test_what_the_limited_process_raises_is_told(call: Callable[..., Any]) -> None:
    with pytest.raises(ParseError, match=r"^TypeError: unsupported|^TypeError: can"):
        call(double, None)


@pytest.mark.parametrize("function", [take, hide])
def test_memory_is_limited_however_the_lack_of_it_is_told(
    call: Callable[..., Any], function: Callable[[int], int]
) -> None:
    assert call(function, 200) == 200 << 20
    with pytest.raises(OverBudgetError, match="more than 1,024 MB of memory"):
        call(function, 1_100)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_told_from_an_error(call: Callable[..., Any], number: int) -> None:
    with pytest.raises(ReaderDiedError):
        call(kill, number)


def test_one_that_is_killed_between_two_calls_costs_no_call(call: Callable[..., Any]) -> None:
    for _ in range(2):
        worker = call(me)
        os.kill(worker, signal.SIGKILL)
        while is_there(worker):
            time.sleep(0.01)
        assert call(double, 3) == 6
        assert call(me) != worker


def test_a_large_one_is_replaced_after_its_call(call: Callable[..., Any]) -> None:
    worker = call(me)
    assert call(keep, 600) == worker
    assert call(me) != worker


def test_it_sees_no_setting_and_so_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_ENTSOE_TOKEN", "a secret")
    process = limited_process._LimitedProcess()
    try:
        seen = process.call("os:environ.copy", ())
    finally:
        process.stop()
    assert "PATH" in seen
    assert "a secret" not in seen.values()


def test_it_ends_with_its_parent() -> None:
    program = f"""
        import os
        from energy_platform.encodings.limited_process import within_limits
        print(within_limits("{__name__}:me"), flush=True)
        os.kill(os.getpid(), 9)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment, capture_output=True, check=False, text=True,
    )  # fmt: skip
    while is_there(int(done.stdout)):
        time.sleep(0.01)


def test_a_process_that_ended_by_itself_is_begun_anew(call: Callable[..., Any]) -> None:
    with pytest.raises(ReaderDiedError):
        call(end)  # each time, so that it is no longer believed


def test_a_process_that_hangs_is_replaced(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.kill(call(me), signal.SIGSTOP)
    with monkeypatch.context() as context:
        context.setattr(limited_process, "_LONGEST_SECONDS", 0.2)
        with pytest.raises(OverBudgetError, match="was not read within"):
            call(double, 2)


def test_a_function_within_another_cannot_be_sent() -> None:
    with pytest.raises(UsageError, match="top level"):
        within_limits(f"{__name__}:double", lambda: None)
