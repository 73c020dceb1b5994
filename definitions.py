"""The code location: all of Dagster's definitions, assembled in this one place.

No market is named here; the definitions follow from the sources that the registry finds.
"""

from collections.abc import Iterable, Mapping

from dagster import Definitions, in_process_executor

from assets import (
    backfill_job,
    batch_history,
    broken_assets,
    market_assets,
    mart_assets,
    replay_job,
    signal_assets,
)
from energy_platform.market.registry import BrokenSource, broken_sources, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.marts.catalogue import marts
from energy_platform.settings import WarehouseKind, settings
from energy_platform.signals.catalogue import signals
from resources import Platform, migration_scripts, sensor_pace
from sensors import (
    alert_sensors,
    market_group_sensors,
    mart_automation,
    neighbours_sensor,
    signals_sensor,
    upkeep_schedules,
)


def build_definitions(
    sources: Iterable[MarketSource], broken: Iterable[BrokenSource] = ()
) -> Definitions:
    """Return the code location for these market sources, and for the files that are broken."""
    known = list(sources)
    made_of_them = list(marts().values())
    mart_sensors, mart_schedules = mart_automation(made_of_them)
    return Definitions(
        assets=[
            *market_assets(known),
            mart_assets(made_of_them),
            *broken_assets(broken),
            *signal_assets(signals().values()),
            batch_history,
        ],
        jobs=[backfill_job, replay_job],
        sensors=[
            *market_group_sensors(known),
            neighbours_sensor(known),
            *alert_sensors(),
            *mart_sensors,
            signals_sensor(signals().values()),
        ],
        schedules=[*upkeep_schedules(), *mart_schedules],
        resources={"platform": Platform(), **_clients()},
        # A warm worker saves the process of a run; a process per step would undo that.
        executor=in_process_executor,
    )


def _clients() -> Mapping[str, object]:
    """Return further clients for assets: the client of a warehouse that has one."""
    if settings().warehouse is not WarehouseKind.BIGQUERY:
        return {}
    # Google's client is imported only for its warehouse.
    from resources.bigquery import WarehouseBigQuery  # noqa: PLC0415

    return {"bigquery": WarehouseBigQuery()}


migration_scripts.remember()
# The daemon is a fork of a process that has imported this module.
sensor_pace.quicken()
defs = build_definitions(market_sources().values(), broken_sources())
