"""The code location: everything that Dagster is to know, assembled in this one place.

No market is named here; what there is follows from the sources that the registry finds.
"""

import logging
from collections.abc import Iterable

from dagster import Definitions, InitLoggerContext, in_process_executor, logger

from assets import market_assets
from energy_platform.market_source import MarketSource
from energy_platform.registry import market_sources
from resources import Platform
from sensors import market_group_sensors, upkeep_schedules


@logger
def quiet_console(_: InitLoggerContext) -> logging.Logger:
    """Log warnings and errors only; the twenty events of each run are in the event log."""
    console = logging.getLogger("energy_platform.runs")
    console.setLevel(logging.WARNING)
    return console


def build_definitions(sources: Iterable[MarketSource]) -> Definitions:
    """Return the code location for these market sources."""
    known = list(sources)
    return Definitions(
        assets=market_assets(known),
        sensors=market_group_sensors(known),
        schedules=upkeep_schedules(),
        resources={"platform": Platform()},
        # One process per run is the point of a warm worker; a process per step would undo it.
        executor=in_process_executor,
        loggers={"console": quiet_console},
    )


defs = build_definitions(market_sources().values())
