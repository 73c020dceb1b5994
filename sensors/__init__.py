"""Sensors that start runs and report on the platform, and the schedules of the upkeep."""

from sensors.alerts import alert_sensors
from sensors.market_group import market_group_sensors
from sensors.marts import mart_automation
from sensors.neighbours import neighbours_sensor
from sensors.signals import signals_sensor
from sensors.upkeep import upkeep_schedules

__all__ = [
    "alert_sensors",
    "market_group_sensors",
    "mart_automation",
    "neighbours_sensor",
    "signals_sensor",
    "upkeep_schedules",
]
