"""How commands print: tables for people, JSON for programs, complaints on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress

    from energy_platform.market.registry import BrokenSource

_PIPE_COLUMNS: Final = 200
_SPANS: Final = {"d": 86_400, "h": 3_600, "min": 60}


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is; into a pipe, lines are as wide as the tables."""
    piped = not sys.stdout.isatty()
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=stderr,
        width=_PIPE_COLUMNS if piped else None,
    )


def bars(screen: Console) -> "Progress":
    """Return bars that count to a total, shown where there is a terminal."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    return Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        disable=not screen.is_terminal,
    )


def complain(message: str) -> None:
    """Print in one line what went wrong, without control characters of a payload."""
    console(stderr=True).print(Text("error:", "red"), one_line(message))


def one_line(text: str) -> str:
    r"""Return text in one line without control characters.

    >>> one_line("a\n\x1b[31m b")
    'a [31m b'
    """
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def print_json(value: object) -> None:
    """Print a value as JSON; dataclasses as objects, instants as ISO 8601, paths as text."""
    json.dump(value, sys.stdout, default=_plain, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table; numbers and spans of time right-aligned, None as nothing."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    listed = list(rows)
    for position, column in enumerate(columns):
        to_the_right = all(
            isinstance(row[position], int | float | timedelta | None) for row in listed
        )
        table.add_column(column, justify="right" if to_the_right else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def print_broken(broken: Sequence["BrokenSource"]) -> None:
    """Print the files that fail to define a market source, if there are any."""
    if broken:
        rows = [(one.name, one.place, one.reason) for one in broken]
        print_table("Broken: left out until mended", ["name", "file", "what is wrong"], rows)


def count(number: int, noun: str) -> str:
    """Return a number of things in words.

    >>> count(1, "row"), count(2_000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.10g}"
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case timedelta():
            return _span(value.total_seconds())
        case _:
            return str(value)


def _span(seconds: float) -> str:
    """Return a span of time in the largest unit of which it has at least two."""
    for unit, size in _SPANS.items():
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.1f} s"


def _plain(value: object) -> Any:  # noqa: ANN401 (a JSON value may have any type)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
