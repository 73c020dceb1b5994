"""The simulator's command: `python -m simulator`."""

import asyncio
import atexit
import gc
import json
import logging
import os
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from energy_platform.market.clock import MarketClock
from energy_platform.market.instants import parse_instant
from energy_platform.settings import settings
from simulator.journal import Journal
from simulator.listeners import Listeners
from simulator.server import serve
from simulator.world import CLOCK_NAME, World

_SECRETS: Final = "ENERGY_PLATFORM_SIMULATOR_SECRETS"
"""What feeds send for each variable of a secret, as JSON; no option, since `ps` shows options."""


def simulate(
    *,
    seed: Annotated[
        int,
        typer.Option(
            envvar="ENERGY_PLATFORM_SIMULATOR_SEED", help="The same seed gives the same market."
        ),
    ] = 7,
    speed: Annotated[
        float,
        typer.Option(
            envvar="ENERGY_PLATFORM_SIMULATOR_SPEED", min=0.01, help="Market seconds per second."
        ),
    ] = 1.0,
    rate: Annotated[
        float,
        typer.Option(
            envvar="ENERGY_PLATFORM_SIMULATOR_RATE",
            min=0.01,
            help="Stream messages, times the usual.",
        ),
    ] = 1.0,
    origin: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Option(
            envvar="ENERGY_PLATFORM_SIMULATOR_ORIGIN",
            help="Market time at the start (ISO 8601); now, unless given.",
        ),
    ] = None,
    replay: Annotated[
        Optional[Path],  # noqa: UP045 (typer reads it)
        typer.Option(
            envvar="ENERGY_PLATFORM_SIMULATOR_REPLAY",
            exists=True,
            file_okay=False,
            help="Folder <source>/<case>/ to serve in place of the models.",
        ),
    ] = None,
) -> None:
    """Run simulated markets on their own protocols, on free ports of the loopback interface.

    ENERGY_PLATFORM_SIMULATOR_HOST names another interface.

    While they run, `addresses.json` in the simulator's folder of the home holds their addresses.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    chosen = settings()
    logging.getLogger("energy_platform").setLevel(chosen.log_level)
    folder = chosen.simulator_folder
    folder.mkdir(parents=True, exist_ok=True)
    begin = parse_instant(origin) if origin is not None else None
    world = World(
        clock=MarketClock.resume(folder / CLOCK_NAME, origin=begin, speed=speed),
        seed=seed,
        rate=rate,
        folder=folder,
        feeds=chosen.home / "feeds",
        replay=replay,
        journal=Journal(folder / "journal"),
        listeners=Listeners(chosen.simulator_host),
        collector_host=chosen.collector_host,
        secrets=json.loads(os.environ.get(_SECRETS, "{}")),
    )
    # A garbage collection at exit takes a second and frees nothing that matters.
    atexit.register(gc.freeze)
    asyncio.run(serve(world))


if __name__ == "__main__":
    typer.run(simulate)
