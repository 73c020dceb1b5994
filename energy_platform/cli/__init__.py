"""The command line: `energy-platform`. Thin; each command calls the library and prints.

`platform` has the commands that run processes, `market` those that work on one source, `history`
the one about batches, `quarantine` those about failed rows, `replay` those that rebuild a table,
`backfill` the one that asks for the past, `demo` the one that makes a demo, `follow` the one that
prints new rows, `watch` those about alerts and drift, `scale` the one that sets the counts of
Google Cloud's worker pools, `access` those about who may look at the dashboard, `doctor` the one
that looks for what is wrong with a home, `generate` the one that writes files of the checkout, and
`output` the ways of printing.
"""

import atexit
import gc
import logging
import os
import signal
import sys
from typing import Final

import typer

from energy_platform.cli import (
    access,
    backfill,
    demo,
    doctor,
    follow,
    generate,
    history,
    market,
    marts,
    platform,
    positions,
    quarantine,
    replay,
    scale,
    signals,
    watch,
)
from energy_platform.cli.output import complain
from energy_platform.errors import EnergyPlatformError, MissingExtraError, UsageError

app = typer.Typer(
    name="energy-platform",
    help="Market data for algorithmic energy trading.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
platform.register(app)
market.register(app)
quarantine.register(app)
replay.register(app)
backfill.register(app)
demo.register(app)
follow.register(app)
watch.register(app)
doctor.register(app)
history.register(app)
marts.register(app)
access.register(app)
positions.register(app)
generate.register(app)
scale.register(app)
signals.register(app)

_NOBODY_ELSE: Final = 0o077
"""What a new file or folder of the home allows to others: nothing."""


@app.callback()
def _keep_private(context: typer.Context) -> None:
    """Let nobody else read what a command writes into the home; a checkout's files stay shared."""
    if context.invoked_subcommand != generate.generate.__name__:
        os.umask(_NOBODY_ELSE)


def main() -> None:
    """Run a command; an error is one line on standard error.

    Exit codes: 0 done, 1 tried and failed, 2 impossible request, 130 interrupted.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Collecting garbage at the end takes time, and the end of the process frees the memory anyway.
    atexit.register(gc.freeze)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except UsageError as error:
        complain(str(error))
        sys.exit(2)
    except ModuleNotFoundError as error:
        complain(str(MissingExtraError.of(error)))
        sys.exit(2)
    except (EnergyPlatformError, OSError) as error:
        complain(str(error))
        sys.exit(1)
