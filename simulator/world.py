"""What all simulated providers share, and the protocol that each of them implements.

A provider module under `simulator.providers` names its class in `PROVIDER`; no list names the
module. A provider behaves on the wire as the real one does, and journals every row before it
becomes visible. Its state in one world is in its instance.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from starlette.routing import BaseRoute

from energy_platform.ingest.session import SIMULATED_SECRET
from energy_platform.market.clock import MarketClock
from simulator.faults import FaultPlan, NextFault
from simulator.journal import Journal
from simulator.listeners import HOST, Listeners
from simulator.shared_server import SharedServer
from simulator.signal import Signal

ADDRESSES_NAME: Final = "addresses.json"
"""The file in a world's folder that maps real addresses to those of the simulator."""
CLOCK_NAME: Final = "clock.json"
"""The file in a world's folder that keeps its clock."""
CERTIFICATE_NAME: Final = "certificate.pem"
"""The file in a world's folder that holds the certificate of its servers with TLS."""
ENDPOINT_NAME: Final = "listens_at"
"""The file in a feed's folder that holds the address where it listens for notifications."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a world goes, beside its clock.

    Attributes:
        beat: The longest pause of a market, in wall time or, on a slower clock, in market time.
        token_life: How long an access token is valid, in wall time.
        requests: How many times as many requests as the real one each provider admits.
    """

    beat: timedelta = timedelta(seconds=10)
    token_life: timedelta = timedelta(hours=1)
    requests: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One simulated world.

    Attributes:
        clock: Market time.
        seed: The same seed gives the same market.
        rate: How many times the natural data rate streams run at.
        pace: How fast it goes, beside its clock.
        folder: State that survives a restart; each provider uses a folder of its own below it.
        feeds: The folder with one folder per feed of the platform; feeds that receive
            notifications write there where they listen.
        replay: A folder `<source>/<case>/` to serve instead of the models, if any; its cases have
            the form of test cases.
        journal: What was emitted.
        faults: What is to go wrong.
        listeners: The sockets of the current run, or of the next one.
        collector_host: The name or address on which feeds listen for notifications.
        amazon: The server of S3, SNS and SQS that providers share.
        bucket_faults: The next fault of each bucket of S3; it strikes a public answer.
        addresses: Maps real addresses (URL prefixes) to those of the simulator, and variables to
            values, in the current run. A key that begins with the name of a market source and a
            blank holds for this source alone.
        secrets: What feeds send for a variable of a secret, if it is no `SIMULATED_SECRET`.
        modelled: The market sources that some provider has a model of, in the current run.
    """

    clock: MarketClock
    seed: int
    rate: float
    folder: Path
    feeds: Path
    replay: Path | None
    journal: Journal
    pace: Pace = field(default_factory=Pace)
    faults: FaultPlan = field(default_factory=FaultPlan)
    listeners: Listeners = field(default_factory=Listeners)
    collector_host: str = HOST
    amazon: SharedServer = field(default_factory=SharedServer)
    bucket_faults: dict[str, NextFault] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    modelled: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        """The name or address by which clients reach its servers."""
        return self.listeners.host

    @property
    def url(self) -> str:
        """The address of the HTTP server; each provider is below a path of its name."""
        return f"http://{self.host}:{self.listeners.port('http')}"

    @property
    def amazon_url(self) -> str:
        """The address of Amazon's S3, SNS and SQS."""
        return f"http://{self.host}:{self.listeners.port('amazon')}"

    @property
    def beat(self) -> timedelta:
        """The longest pause of a market, in market time."""
        return self.pace.beat * max(1.0, self.clock.speed)

    @property
    def request_speed(self) -> float:
        """The factor of admitted requests, in wall time, over those of the real provider."""
        return self.pace.requests * self.clock.speed

    @property
    def inboxes(self) -> Path:
        """The folder with one folder per source for which files are dropped."""
        return self.feeds.parent / "inbox"

    def endpoint(self, source: str) -> str | None:
        """Return the address where the feed of a source listens; None while it doesn't."""
        try:
            return (self.feeds / source / ENDPOINT_NAME).read_text()
        except FileNotFoundError:
            return None

    def secret(self, variable: str) -> str:
        """Return what a feed sends for a variable of a secret, for providers that check it."""
        return self.secrets.get(variable, SIMULATED_SECRET)

    def signal(self, name: str, *, mean: float, daily: float = 0.0, noise: float = 1.0) -> Signal:
        """Return a signal of this world."""
        return Signal(seed=self.seed, name=name, mean=mean, daily=daily, noise=noise)

    def recorded(self, source: str) -> list[Path]:
        """Return the cases to replay for a source, in the order of their names."""
        folder = self.replay / source if self.replay is not None else None
        return sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []


class SimulatedProvider(Protocol):
    """A provider's servers in one world.

    Attributes:
        name: Its path on the HTTP port.
        models: The market sources that it has a model of.
    """

    name: str
    models: frozenset[str]

    def addresses(self) -> Mapping[str, str]:
        """Map each real address (a URL prefix) to its stand-in, and each variable to its value.

        A variable that is not named stands for a secret that the simulator accepts from anyone.
        """

    def routes(self) -> Sequence[BaseRoute]:
        """Return what to serve below `/<name>` on the HTTP port; may be empty."""

    async def run(self) -> None:
        """Move the market, and serve what isn't HTTP, until cancelled."""


OpenProvider = Callable[[World], SimulatedProvider]
"""Opens a provider in a world: its class, as a rule."""


def modelled_providers() -> Iterator[OpenProvider]:
    """Yield every provider that has a model."""
    package = importlib.import_module("simulator.providers")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(module.name).PROVIDER
