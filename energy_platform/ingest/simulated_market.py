"""The interface to a simulated market: three files in a folder that its simulator writes.

The library knows the simulator only by these files. They are read again whenever they have changed,
so a simulator may come back on other ports.
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
"""The file of addresses: each real address (a URL prefix) and its stand-in, while the simulator
listens.

A key of a source's name, a blank and an address holds for this source alone.
"""
CLOCK_NAME: Final = "clock.json"
"""The file of market time."""
CERTIFICATE_NAME: Final = "certificate.pem"
"""The file of the certificate that clients of its TLS servers must trust."""

_LOOK_SECONDS: Final = 0.05
_ADDRESSES: Final = TypeAdapter(dict[str, str])

T = TypeVar("T")


@dataclass(slots=True)
class _FollowedFile(Generic[T]):
    """A file whose content is read once after each change."""

    path: Path
    read: Callable[[Path], T]
    _written: tuple[int, int] | None = None
    _content: T | None = None

    def content(self) -> T | None:
        """Return the content; None if there is no file."""
        try:
            status = self.path.stat()
            written = (status.st_mtime_ns, status.st_ino)
            if written != self._written:
                self._content, self._written = self.read(self.path), written
        except FileNotFoundError:
            return None
        return self._content


def stand_in(addresses: Mapping[str, str], source: str, real: str) -> str | None:
    """Return the stand-in for a URL that a source asks for; None if there is none.

    The longest matching prefix counts. A prefix after the source's name, for this source alone,
    comes before any other.
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
    """A simulated market, as its simulator's folder describes it.

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
        """Return whether its simulator listens."""
        return self._addresses.content() is not None

    def wait(self, seconds: float) -> None:
        """Wait until its simulator listens, for a limited time.

        A feed that asks earlier would back off for longer than a simulator takes to start.
        """
        deadline = time.monotonic() + seconds
        while not self.listens() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)

    def addresses(self) -> Mapping[str, str]:
        """Return each real address and its stand-in; none while no simulator listens."""
        return self._addresses.content() or {}

    def played_back(self) -> frozenset[str]:
        """Return the sources without a model, whose test cases are played back."""
        return frozenset(known.partition(" ")[0] for known in self.addresses() if " " in known)

    def clock(self) -> MarketClock | None:
        """Return its clock; None before the simulator's first start."""
        return self._clock.content()

    def certificate(self) -> Path | None:
        """Return the certificate file of its servers; None before there is one."""
        file = self.folder / CERTIFICATE_NAME
        return file if file.exists() else None
