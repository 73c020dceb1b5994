"""DWD's open data server: FTP, plain and with explicit or implicit TLS, open to anyone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.routing import BaseRoute

from simulator.ftp_server import FtpSite
from simulator.providers.dwd import mosmix, wind
from simulator.world import World

_FTP: Final = "dwd ftp"
_FTPS: Final = "dwd ftps"


@dataclass(slots=True)
class Dwd:
    """The provider.

    Attributes:
        world: Where it is.
        wind_stations: Stations whose wind is observed; their five digits.
        forecast_stations: Stations that MOSMIX is made for.
    """

    name = "dwd"
    models = frozenset({wind.SOURCE, mosmix.SOURCE})

    world: World
    wind_stations: Sequence[str] = wind.STATIONS
    forecast_stations: Sequence[str] = mosmix.STATIONS

    def addresses(self) -> Mapping[str, str]:
        """Map the three ways to the open data server to the simulator's."""
        listeners = self.world.listeners
        return {
            "ftp://opendata.dwd.de": f"ftp://{self.world.host}:{listeners.port(_FTP)}",
            "ftpes://opendata.dwd.de": f"ftpes://{self.world.host}:{listeners.port(_FTP)}",
            "ftps://opendata.dwd.de": f"ftps://{self.world.host}:{listeners.port(_FTPS)}",
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: this provider isn't reached by HTTP."""
        return []

    async def run(self) -> None:
        """Serve the folders, and rewrite their files for ever."""
        world = self.world
        root = world.folder / self.name / "ftp"
        for folder in (*wind.FOLDERS, *mosmix.folders(self.forecast_stations)):
            (root / folder).mkdir(parents=True, exist_ok=True)
        site = FtpSite(
            world=world,
            root=root,
            source_of=_source_of,
            explicit=_FTP,
            implicit=_FTPS,
            users={"simulated": "simulated"},
            anonymous=True,
        )
        # The real server always has files. A client that finds none returns only half a minute or
        # ten minutes later.
        issued, begun = await mosmix.publish(world, root, self.forecast_stations), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wind.publish_for_ever(world, root, self.wind_stations, begun))
            await begun.wait()
            tasks.create_task(site.serve())
            tasks.create_task(wind.publish_recent_for_ever(world, root, self.wind_stations))
            tasks.create_task(mosmix.publish_for_ever(world, root, self.forecast_stations, issued))


def _source_of(file: str) -> str:
    return mosmix.SOURCE if Path(file).suffix == ".kmz" else wind.SOURCE


PROVIDER: Final = Dwd
