"""NOAA's Open Data Dissemination on the wire: GFS files on S3, announced by SNS.

A model run every six hours, with forecast steps each three hours; a file appears every 20 s of
market time, or every 5 s of wall time where the market runs faster (the data rate divides both,
down to 1 s). When a run is complete its files are published again, a few points corrected. The
real files are global and appear within two hours; these cover Germany on the same grid.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute

from simulator.faults import FaultKind
from simulator.providers.noaa.gfs_schedule import Flaw, Issue, Schedule
from simulator.world import World

if TYPE_CHECKING:
    from simulator.announced_bucket import Cloud
    from simulator.providers.noaa.gfs_files import ForecastFile

_SOURCE: Final = "noaa_gfs_wind_forecast"
_BUCKET: Final = "noaa-gfs-bdp-pds"
_TOPIC: Final = "NewGFSObject"
_QUEUE: Final = "gfs-forecasts"

_FILE_EVERY: Final = timedelta(seconds=20)
_AT_LEAST_WALL_SECONDS: Final = 5.0
_FASTEST_WALL_SECONDS: Final = 1.0
_REORDERED_BY_SECONDS: Final = 1.0


class _Noaa:
    """NOAA's servers."""

    name = "noaa"
    models = frozenset({_SOURCE})

    def __init__(self, world: World) -> None:
        self._world = world

    def addresses(self) -> Mapping[str, str]:
        """Map the addresses of the bucket and of SQS, and name the queue."""
        amazon = self._world.amazon_url
        return {
            "NOAA_GFS_QUEUE_URL": _QUEUE,
            f"https://{_BUCKET}.s3.amazonaws.com": f"{amazon}/{_BUCKET}",
            "https://sqs.us-east-1.amazonaws.com": amazon,
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: AWS has a port of its own."""
        return []

    async def run(self) -> None:
        """Serve S3, SNS and SQS, and publish files, until cancelled."""
        # moto and eccodes take two seconds to import; only the running simulator should pay.
        from simulator import announced_bucket  # noqa: PLC0415
        from simulator.amazon import WIRE_FAULTS  # noqa: PLC0415

        world = self._world
        async with announced_bucket.running(
            world,
            bucket=_BUCKET,
            topic=_TOPIC,
            queue=_QUEUE,
            next_fault=lambda: world.faults.take(_SOURCE, *WIRE_FAULTS),
        ) as cloud:
            await _Publisher(world, cloud).run()


class _Publisher:
    """Publishes one file after the other."""

    def __init__(self, world: World, cloud: "Cloud") -> None:
        self._world = world
        self._cloud = cloud
        self._publishing = asyncio.Lock()
        wall = max(_FILE_EVERY.total_seconds() / world.clock.speed, _AT_LEAST_WALL_SECONDS)
        wall = max(wall / world.rate, _FASTEST_WALL_SECONDS)
        self._interval = timedelta(seconds=wall * world.clock.speed)
        last = world.journal.last_market_at(_SOURCE)
        self._due = world.clock.now() if last is None else last + self._interval

    async def run(self) -> None:
        """Continue the schedule, and publish again the files that a restart has lost."""
        schedule = Schedule.load(self._world.folder / "noaa" / "schedule.json")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._restore(schedule))
            tasks.create_task(self._follow(schedule))

    async def _restore(self, schedule: Schedule) -> None:
        """Publish the bucket's files again, newest first, unless a newer edition came before."""
        for issue in reversed(list(schedule.issues.values())):
            file = await self._file(issue)
            async with self._publishing:
                if schedule.issues.get(issue.key) == issue:
                    await self._publish(file)

    async def _follow(self, schedule: Schedule) -> None:
        world = self._world
        while True:
            await self._turn()
            issue = schedule.next_issue(world.clock.now(), self._flaw())
            file = await self._file(issue)
            async with self._publishing:
                world.journal.emit(_SOURCE, world.clock.now(), file.rows)
                for key in schedule.add(issue):
                    await asyncio.to_thread(self._cloud.remove, key)
                    await asyncio.to_thread(self._cloud.remove, f"{key}.idx")
                await self._publish(file)

    async def _file(self, issue: Issue) -> "ForecastFile":
        from simulator.providers.noaa import gfs_files  # noqa: PLC0415 (eccodes)

        return await asyncio.to_thread(gfs_files.forecast_file, self._world, issue)

    async def _turn(self) -> None:
        """Wait until the next file is due."""
        clock = self._world.clock
        await clock.sleep_until(self._due)
        self._due = max(self._due, clock.now() - self._interval) + self._interval

    def _flaw(self) -> Flaw:
        fault = self._world.faults.take(_SOURCE, FaultKind.BAD_ROW, FaultKind.MALFORMED)
        if fault is None:
            return Flaw.NONE
        return Flaw.BAD_ROW if fault.kind is FaultKind.BAD_ROW else Flaw.CORRUPT

    async def _publish(self, file: "ForecastFile") -> None:
        """Put and announce the file, then its inventory; a fault may change this order."""
        faults = self._world.faults
        reordered = faults.take(_SOURCE, FaultKind.REORDERED)
        times = 1 if faults.take(_SOURCE, FaultKind.DUPLICATE) is None else 2
        objects = [(file.key, file.grib), (f"{file.key}.idx", file.index.encode())]
        for key, body in reversed(objects) if reordered else objects:
            await asyncio.to_thread(self._cloud.put, key, body)
            for _ in range(times):
                await asyncio.to_thread(self._cloud.announce, key, body)
            if reordered:
                await asyncio.sleep(_REORDERED_BY_SECONDS)


PROVIDER: Final = _Noaa
