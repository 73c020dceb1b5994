"""What starts runs: one sensor per market group, and the schedules of the platform's upkeep."""

from sensors.market_group import market_group_sensors
from sensors.upkeep import upkeep_schedules

__all__ = ["market_group_sensors", "upkeep_schedules"]
