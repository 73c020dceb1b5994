"""What all simulated providers share, and what each of them must be.

A provider module under `simulator.providers` holds one `PROVIDER` value and is
found by itself. It must behave on the wire as the real one does, and note in the journal every
row it makes visible.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from starlette.routing import BaseRoute

from energy_platform.market.clock import MarketClock
from simulator.faults import FaultPlan
from simulator.journal import Journal
from simulator.signal import Signal

CLOCK_NAME: Final = "clock.json"
"""The file in a world's folder that keeps its clock."""


def clock_file(home: Path) -> Path:
    """Return where the simulator of a home folder keeps its clock."""
    return home / "simulator" / CLOCK_NAME


def addresses_file(home: Path) -> Path:
    """Return where the simulator of a home folder says at what addresses it stands in."""
    return home / "simulator" / "addresses.json"


def certificate_file(folder: Path) -> Path:
    """Return where a world keeps the certificate that its servers with TLS show."""
    return folder / "certificate.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorPorts:
    """The loopback ports that the simulator listens on.

    Attributes:
        http: REST, SOAP and WebSocket; each provider below a path of its name.
        ftp: DWD's FTP, plain and with explicit TLS.
        ftps: DWD's FTP with implicit TLS.
        gme_ftps: GME's FTP with implicit TLS.
        aws: SNS, SQS and S3.
        sns_endpoint: Where the platform listens for what SNS pushes; the simulator's is the call.
    """

    http: int
    ftp: int
    ftps: int
    gme_ftps: int
    aws: int
    sns_endpoint: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One simulated world.

    Attributes:
        clock: Market time.
        seed: The same seed gives the same market.
        rate: How many times the natural data rate streams run at.
        ports: Where to listen.
        folder: State that survives a restart; each provider uses a folder of its own below it.
        replay: A folder `<source>/` of recorded payloads to serve instead of the model, if any.
        journal: What was emitted.
        faults: What is to go wrong.
    """

    clock: MarketClock
    seed: int
    rate: float
    ports: SimulatorPorts
    folder: Path
    replay: Path | None
    journal: Journal
    faults: FaultPlan = field(default_factory=FaultPlan)

    def signal(self, name: str, *, mean: float, daily: float = 0.0, noise: float = 1.0) -> Signal:
        """Return a signal of this world."""
        return Signal(seed=self.seed, name=name, mean=mean, daily=daily, noise=noise)

    def recorded(self, source: str) -> list[Path]:
        """Return the recorded payloads to replay for a source, in the order of their names."""
        folder = self.replay / source if self.replay is not None else None
        return sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []


class SimulatedProvider(Protocol):
    """A provider's servers."""

    name: str

    def addresses(self, ports: SimulatorPorts) -> Mapping[str, str]:
        """Map each real address (a URL prefix) to its stand-in, and each variable to its value.

        A variable that is not named stands for a secret that the simulator accepts from anyone.
        """

    def routes(self, world: World) -> Sequence[BaseRoute]:
        """Return what to serve below `/<name>` on the HTTP port; may be empty."""

    async def run(self, world: World) -> None:
        """Move the market, and serve what isn't HTTP, until cancelled."""


def providers() -> Iterator[SimulatedProvider]:
    """Yield every simulated provider."""
    package = importlib.import_module("simulator.providers")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(module.name).PROVIDER


def simulated_addresses(ports: SimulatorPorts) -> dict[str, str]:
    """Return every provider's real address and its stand-in on these ports."""
    return {
        real: stand_in
        for provider in providers()
        for real, stand_in in provider.addresses(ports).items()
    }
