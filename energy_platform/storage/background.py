"""Calls whose end nobody has to wait for: neither Ctrl-C nor the end of the process does."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")


def in_background(ask: Callable[[], Answer]) -> Future[Answer]:
    """Begin a call in a thread of its own, which ends with the process, and return its answer.

    A thread of an executor would be waited for, also by a process that was told to stop.
    """
    answer: Future[Answer] = Future()

    def run() -> None:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 (raised where the answer is wanted)
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer
