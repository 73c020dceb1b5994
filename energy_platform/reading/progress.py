"""How far a long read is, as a bar on the terminal; nothing where `rich` is not installed."""

import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self


class Progress:
    """A bar that is shown while it is entered.

    Args:
        what: What is read.
        total: How many rows there are, about.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._bar: Any = None
        self._task: Any = None

    @staticmethod
    def is_wanted() -> bool:
        """Return whether someone looks at a terminal."""
        return sys.stderr.isatty()

    def __enter__(self) -> Self:
        if find_spec("rich") is not None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        return self

    def advance(self, rows: int) -> None:
        """Say that so many rows more have been read."""
        if self._bar is not None:
            self._bar.advance(self._task, rows)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
