"""How often the daemon looks at its sensors.

Dagster looks every five seconds, whatever a sensor's own interval is. One message in twenty would
then reach the warehouse after more than five seconds.
"""

from typing import Final

from dagster._daemon import sensor

SECONDS: Final = 4


def quicken() -> None:
    """Let this process's daemon, and that of its forks, look at sensors every `SECONDS`."""
    sensor.MIN_INTERVAL_LOOP_TIME = SECONDS
