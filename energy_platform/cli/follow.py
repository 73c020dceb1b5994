"""The command that prints new rows as the platform receives them."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from energy_platform.cli.output import complain, count, print_table
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import polars as pl

    from energy_platform.market.source import MarketSource
    from energy_platform.reading.update import Update
    from energy_platform.reading.where import Value

_SHOWN_ROWS = 50
"""How many rows of one update the table has; JSON has them all."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(follow)


def follow(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Market sources.")],
    *,
    where: Annotated[
        Optional[list[str]],  # noqa: UP045 (typer reads it)
        typer.Option(
            "--where",
            "-w",
            metavar="COLUMN=VALUE",
            help="Only rows with this value in a key column; repeat it for further values.",
        ),
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Option("--since", metavar="CURSOR", help="Resume after the update with this cursor."),
    ] = None,
    address: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Option(
            "--address",
            metavar="URL",
            help="Follow the platform behind the dashboard at this address; a token for it is in"
            " ENERGY_PLATFORM_TOKEN.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print the rows of market sources as they come, until Ctrl-C.

    With --json each update is one line: kind (rows, snapshot or gap), source, cursor and rows.
    """  # fmt: skip
    from energy_platform.market.registry import market_source
    from energy_platform.reading.platform import here

    conditions = _conditions([market_source(name) for name in sources], where or ())
    token = os.environ.get("ENERGY_PLATFORM_TOKEN")
    updates = here.follow(sources, where=conditions, since=since, address=address, token=token)
    try:
        asyncio.run(_print(updates, as_json=json))
    except BrokenPipeError:
        # Whoever read the output has enough; nothing is left to be flushed at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _print(updates: "AsyncGenerator[Update, None]", *, as_json: bool) -> None:
    from energy_platform.reading.update import json_line

    async with aclosing(updates):
        async for update in updates:
            if as_json:
                sys.stdout.write(f"{json_line(update)}\n")
            else:
                _print_update(update)
            sys.stdout.flush()


def _print_update(update: "Update") -> None:
    """Print an update as a table, the newest rows of it; a gap as a complaint."""
    if update.reason:
        complain(f"{update.source}: rows since offset {update.since} are missing: {update.reason}")
        return
    rows = update.rows
    title = f"{update.source}: {count(rows.height, 'row')}"
    if update.since is not None:
        title = f"{title}, a snapshot of what may have been missed since offset {update.since}"
    if rows.height > _SHOWN_ROWS:
        title = f"{title}, the newest {_SHOWN_ROWS}"
    print_table(title, rows.columns, rows.tail(_SHOWN_ROWS).iter_rows())


def _conditions(
    sources: Sequence["MarketSource"], pairs: Sequence[str]
) -> dict[str, list["Value"]]:
    """Return the conditions that COLUMN=VALUE texts state, each value in its column's type."""
    conditions: dict[str, list[Value]] = {}
    for pair in pairs:
        column, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--where takes COLUMN=VALUE, not {pair!r}")
        dtypes = [one.dtypes[column] for one in sources if column in one.key]
        value = _value(column, text, dtypes[0]) if dtypes else text
        conditions.setdefault(column, []).append(value)
    return conditions


def _value(column: str, text: str, dtype: "pl.DataType") -> "Value":
    """Read a text as a value of a column's type; an empty one is where a row has none."""
    import polars as pl

    from energy_platform.market.instants import parse_instant

    if not text:
        return None
    if isinstance(dtype, pl.Datetime):
        return parse_instant(text)
    if dtype == pl.Boolean:
        return {"true": True, "false": False}.get(text.lower(), text)
    if dtype.is_numeric():
        try:
            return int(text) if dtype.is_integer() else float(text)
        except ValueError:
            raise UsageError(f"{column} is a number, and not {text!r}") from None
    return text
