"""Opens the stores that the settings name. The only place that knows which systems there are."""

from functools import cache

from energy_platform.hot_store.sqlite import SqliteHotStore
from energy_platform.landing import LandingZone
from energy_platform.micro_batch import MicroBatches
from energy_platform.settings import settings
from energy_platform.warehouse.delta import DeltaWarehouse


@cache
def micro_batches() -> MicroBatches:
    """Return this process's way from the landing zone to both stores, opened once."""
    chosen = settings()
    return MicroBatches(
        landing=LandingZone.open(chosen.landing_url),
        warehouse=DeltaWarehouse(chosen.home / "warehouse"),
        hot_store=SqliteHotStore(chosen.home / "hot.sqlite"),
        batch_messages=chosen.batch_messages,
        hot_days=chosen.hot_days,
    )
