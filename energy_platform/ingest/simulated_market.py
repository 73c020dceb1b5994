"""What a simulated market says of itself: three files in a folder that its simulator writes.

The library knows the simulator by these files alone. They are read anew whenever they have changed,
so that a simulator may come back on other ports.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, Self, TypeVar

from pydantic import TypeAdapter

from energy_platform.market.clock import MarketClock
from energy_platform.settings import Markets, Settings

ADDRESSES_NAME: Final = "addresses.json"
"""Each real address (a URL prefix) and its stand-in; it is there while the simulator listens.

Behind the name of a source and a blank are those of this source alone.
"""
CLOCK_NAME: Final = "clock.json"
"""Market time."""
CERTIFICATE_NAME: Final = "certificate.pem"
"""What its servers with TLS are to be trusted by."""

_LOOK_SECONDS: Final = 0.05
_ADDRESSES: Final = TypeAdapter(dict[str, str])

T = TypeVar("T")


@dataclass(slots=True)
class _FollowedFile(Generic[T]):
    """A file whose content is read once for each time that it is written."""

    path: Path
    read: Callable[[Path], T]
    _written: tuple[int, int] | None = None
    _content: T | None = None

    def content(self) -> T | None:
        """Return the content; None while there is no file."""
        try:
            status = self.path.stat()
            written = (status.st_mtime_ns, status.st_ino)
            if written != self._written:
                self._content, self._written = self.read(self.path), written
        except FileNotFoundError:
            return None
        return self._content


def stand_in(addresses: Mapping[str, str], source: str, real: str) -> str | None:
    """Return what stands in for a URL that a source asks for; None if nothing does.

    The longest beginning counts, and one behind the source's name, which is for this source alone,
    before any other.
    """
    for prefix in (f"{source} ", ""):
        found = max(
            (known for known in addresses if f"{prefix}{real}".startswith(known)
             and known.startswith(prefix)), key=len, default=None,
        )  # fmt: skip
        if found is not None:
            return addresses[found] + f"{prefix}{real}".removeprefix(found)
    return None


@dataclass(slots=True)
class SimulatedMarket:
    """A simulated market, as its simulator's folder tells of it.

    Attributes:
        folder: The simulator's folder.
    """

    folder: Path
    _addresses: _FollowedFile[dict[str, str]] = field(init=False)
    _clock: _FollowedFile[MarketClock] = field(init=False)

    def __post_init__(self) -> None:
        self._addresses = _FollowedFile(
            self.folder / ADDRESSES_NAME, lambda file: _ADDRESSES.validate_json(file.read_bytes())
        )
        self._clock = _FollowedFile(self.folder / CLOCK_NAME, MarketClock.load)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the simulated market that these settings name; None on live markets."""
        return cls(settings.simulator_folder) if settings.markets is Markets.SIMULATED else None

    def listens(self) -> bool:
        """Say whether its simulator listens."""
        return self._addresses.content() is not None

    def wait(self, seconds: float) -> None:
        """Wait until its simulator listens, for so long at most.

        A feed that asks earlier backs off for longer than a simulator takes to begin.
        """
        deadline = time.monotonic() + seconds
        while not self.listens() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def addresses(self) -> Mapping[str, str]:
        """Return each real address and its stand-in; none while nobody listens."""
        return self._addresses.content() or {}

    def played_back(self) -> frozenset[str]:
        """Return the sources without a model of their own, whose test cases are played back."""
        return frozenset(known.partition(" ")[0] for known in self.addresses() if " " in known)

    def clock(self) -> MarketClock | None:
        """Return its clock; None before it has ever begun."""
        return self._clock.content()

    def certificate(self) -> Path | None:
        """Return the file of its servers' certificate; None before there is one."""
        file = self.folder / CERTIFICATE_NAME
        return file if file.exists() else None
