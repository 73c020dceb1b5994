"""The frequency of the grid as Energy-Charts tells it: one value a second, there in its second."""

from datetime import timedelta
from typing import Final

from simulator.timeline import Timeline, Values, after_each, run_together
from simulator.world import World

SOURCE: Final = "energy_charts_frequency"
REGION: Final = "DE-Freiburg"

_SECOND: Final = timedelta(seconds=1)


def frequency(world: World) -> Timeline:
    """Return the frequency in each second, which is never corrected."""
    return Timeline(
        world=world,
        source=SOURCE,
        series=[{"region": REGION}],
        values=lambda _: {"frequency_hz": Values(mean=50.0, noise=0.12, decimals=3)},
        resolution=_SECOND,
        schedule=after_each(timedelta()),
        reach=_SECOND,
        history=timedelta(),  # what a feed asks for at first is journalled when it is shown
        rows=lambda stated: stated.select("region", "frequency_hz", observed_at="slot"),
    )


async def run(timeline: Timeline) -> None:
    """Move it on in each second of wall time: it stands still no longer, whatever the pace is."""
    speed = timeline.world.clock.speed
    await run_together([timeline], every=_SECOND * max(1.0, speed))
