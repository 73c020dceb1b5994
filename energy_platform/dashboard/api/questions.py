"""Questions to the stores, each asked once however many ask it at the same moment.

Questions run in threads of their own, some at a time. More than a bound of them are refused, so
that a crowd makes nobody wait for minutes.
"""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from energy_platform.dashboard.api.answers import Answer
from energy_platform.errors import EnergyPlatformError

_THREADS: Final = 2
_MOST_WAITING: Final = 64
_FRESH_SECONDS: Final = 0.5
"""How long the answer to a question is given to others who ask the same."""


class BusyError(EnergyPlatformError):
    """Too many questions wait for an answer; ask again."""


class Questions:
    """The questions that are being answered. Only the event loop's thread uses it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="questions")
        self._asked: dict[Hashable, asyncio.Future[Answer]] = {}

    async def answer(self, question: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, asked now or by somebody else a moment ago.

        Args:
            question: What tells it from other questions.
            ask: Finds the answer, in a thread.

        Raises:
            BusyError: Too many questions wait.
        """
        asked = self._asked.get(question)
        if asked is None:
            if sum(not one.done() for one in self._asked.values()) >= _MOST_WAITING:
                raise BusyError("too many questions at once; ask again in a moment")
            loop = asyncio.get_running_loop()
            asked = self._asked[question] = loop.run_in_executor(self._threads, ask)
            asked.add_done_callback(
                lambda _: loop.call_later(_FRESH_SECONDS, self._forget, question)
            )
        # One asker that gives up does not take the answer from the others.
        return await asyncio.shield(asked)

    def close(self) -> None:
        """Answer no more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, question: Hashable) -> None:
        self._asked.pop(question, None)
