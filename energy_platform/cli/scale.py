"""The command that sets how many workers and collectors there are on Google Cloud."""

import logging
import signal
import threading
from typing import Annotated

import typer

from energy_platform.cli.output import print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.settings import settings


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(scale)


def scale(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Look and set once, print what was decided, and end.")
    ] = False,
    json: Json = False,
) -> None:
    """Set the counts of Cloud Run's worker pools by lag and waiting runs, until told to stop.

    With --once it exits with 1 if a pool's count could not be read or set.
    """
    from energy_platform.operations.scaling.service import scaler_of, serve

    logging.getLogger("energy_platform").setLevel(settings().log_level)
    scaler = scaler_of(settings())
    if not once:
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        serve(scaler, stopped)
        return
    decisions = scaler.round()
    if json:
        print_json(decisions)
    else:
        print_table(
            "Pools",
            ["pool", "before", "after", "trouble"],
            [(one.pool, one.before, one.after, one.trouble) for one in decisions],
        )
    if any(one.trouble for one in decisions):
        raise typer.Exit(1)
