"""The frequency of the grid: one value a second, which is visible within its second."""

from datetime import timedelta
from typing import Final

from simulator.first_slots import so_long_before
from simulator.power_system.frequency import continental_europe
from simulator.timeline import Timeline, Values, after_each, run_together
from simulator.world import World

SOURCE: Final = "energy_charts_frequency"
REGION: Final = "DE-Freiburg"

_SECOND: Final = timedelta(seconds=1)


def frequency(world: World) -> Timeline:
    """Return the frequency in each second, which is never corrected."""
    grid = continental_europe(world.seed)
    return Timeline(
        world=world,
        source=SOURCE,
        series=[{"region": REGION}],
        values=lambda _: {"frequency_hz": Values(decimals=3)},
        truth=lambda _name, _series, seconds: grid.at(seconds),
        resolution=_SECOND,
        schedule=after_each(timedelta()),
        reach=_SECOND,
        first_slot=so_long_before(_SECOND),
        rows=lambda stated: stated.select("region", "frequency_hz", observed_at="slot"),
    )


async def run(timeline: Timeline) -> None:
    """Publish each second of wall time, whatever the pace of the world is."""
    speed = timeline.world.clock.speed
    await run_together([timeline], every=_SECOND * max(1.0, speed))
