"""How commands print: tables for people, JSON for programs, complaints on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_PIPE_COLUMNS = 200


def console() -> Console:
    """Return the console of standard output; a pipe gets lines as wide as the tables are."""
    piped = not sys.stdout.isatty()
    return Console(highlight=False, width=_PIPE_COLUMNS if piped else None)


def complain(message: str) -> None:
    """Say in one line what went wrong."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[red]error:[/red] {' '.join(message.split())}"
    )


def print_json(value: object) -> None:
    """Print a value as JSON; dataclasses as objects, instants as ISO 8601."""
    json.dump(value, sys.stdout, default=_plain, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table; numbers to the right, None as nothing."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    listed = list(rows)
    for position, column in enumerate(columns):
        numeric = all(isinstance(row[position], int | float | None) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def _plain(value: object) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
