"""A provider that is reached by HTTP alone, at one or more addresses of its own.

Each provider is a subclass: it says what it serves and how its market moves.
"""

from collections.abc import Mapping, Sequence

from simulator.world import World


class HttpProvider:
    """A provider's HTTP servers in one world, all of them below one path.

    Attributes:
        name: That path.
        hosts: The real addresses (URL prefixes) that it stands in for.
    """

    name: str
    hosts: Sequence[str]

    def __init__(self, world: World) -> None:
        self._world = world

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the provider's hosts."""
        return dict.fromkeys(self.hosts, f"{self._world.url}/{self.name}")
