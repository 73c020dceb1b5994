"""Serves sources that fetch files by FTP: each payload of their cases is a file."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.routing import BaseRoute

from energy_platform.feeds.ftp import FtpFeed, is_wanted
from simulator import ftp_server
from simulator.ftp_server import FtpSite
from simulator.recorded.cases import Case, Script
from simulator.world import World

_DAYS: Final = (0, -1, 1, *range(-2, -60, -1))
"""The days, counted from today, that stand in the names of files."""
_STAMPS: Final = ("%Y%m%d", "%Y-%m-%d", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%m", "%Y")
_SECOND: Final = timedelta(seconds=1)


class FtpStandIn:
    """An FTP server with one file for each payload."""

    def __init__(self, world: World, script: Script, feed: FtpFeed, url: str) -> None:
        del url
        self._world = world
        self._script = script
        self._feed = feed
        self._listener = f"{script.source.name} ftp"
        self._root = world.folder / "recorded" / script.source.name

    def addresses(self) -> Mapping[str, str]:
        """Stand in for every server that the source may ask; each has a folder of its name."""
        port = self._world.listeners.port(self._listener)
        scheme = urlsplit(self._feed.url).scheme
        return {f"{scheme}://": f"{scheme}://{self._world.host}:{port}/"}

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: this source asks by FTP."""
        return []

    async def run(self) -> None:
        """Write the files, oldest first, and serve them until cancelled."""
        is_implicit = urlsplit(self._feed.url).scheme == "ftps"
        site = FtpSite(
            world=self._world,
            root=self._root,
            source_of=lambda _file: self._script.source.name,
            explicit=None if is_implicit else self._listener,
            implicit=self._listener if is_implicit else None,
            users={"simulated": "simulated"},
            anonymous=True,
        )
        self._write()
        await site.serve()

    def _write(self) -> None:
        """Write every file, dated one after the other, so that they are taken in this order."""
        now = self._world.clock.now()
        place = urlsplit(self._feed.url)
        folder = self._root / f"{place.netloc}{unquote(place.path)}" / self._feed.folders[0]
        folder.mkdir(parents=True, exist_ok=True)
        count = sum(len(case.payloads) for case in self._script.cases)
        ages, names = itertools.count(count, -1), _names(self._feed, now)
        for case in self._script.cases:
            named = [(_own_name(case) or next(names), payload) for payload in case.payloads]
            self._script.say(case)
            for name, payload in named:
                at = now - next(ages) * _SECOND
                ftp_server.put(folder / name, payload.read_bytes(), at)


def _own_name(case: Case) -> str | None:
    """Return the name that a case gives its file, if it does."""
    return Path(urlsplit(case.context["url"]).path).name if "url" in case.context else None


def _names(feed: FtpFeed, now: datetime) -> Iterator[str]:
    """Yield names that match a feed's pattern, filled in with numbers or with days."""
    fillings: Iterator[str] = itertools.chain(
        (f"{now + timedelta(days=day):{stamp}}" for stamp in _STAMPS for day in _DAYS),
        (f"{number:04}" for number in range(1, 1_000)),
    )
    for filling in fillings:
        name = feed.pattern.replace("*", filling)
        if is_wanted(name, feed.pattern) and feed.is_current(name, now):
            yield name
    raise ValueError(f"no name fits {feed.pattern}; say one in `case.toml`, as the context's `url`")
