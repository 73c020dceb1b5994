"""Opens the stores that the settings name. The only place that knows which systems there are."""

from functools import cache

from energy_platform.hot_store.sqlite import SqliteHotStore
from energy_platform.landing import LandingZone
from energy_platform.micro_batch import MicroBatches
from energy_platform.settings import Settings, settings
from energy_platform.warehouse.delta import DeltaWarehouse


def open_micro_batches(chosen: Settings) -> MicroBatches:
    """Open the way from the landing zone to both stores that these settings name."""
    return MicroBatches(
        landing=LandingZone.open(chosen.landing_url),
        warehouse=DeltaWarehouse(chosen.home / "warehouse"),
        hot_store=SqliteHotStore(chosen.home / "hot.sqlite"),
        batch_messages=chosen.batch_messages,
        hot_days=chosen.hot_days,
    )


@cache
def micro_batches() -> MicroBatches:
    """Return this process's own, opened once."""
    return open_micro_batches(settings())
