"""Where a platform's data are: the home that the environment names, or a home that is given."""

from dataclasses import dataclass

from energy_platform.pipeline.stores import open_warehouse
from energy_platform.settings import Settings, settings
from energy_platform.storage.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform's data are.

    Attributes:
        home: The platform's home folder; the one that the environment names, if None.
    """

    home: str | None = None

    @property
    def settings(self) -> Settings:
        """The environment's settings, with this home."""
        said = settings()
        return said if self.home is None else said.model_copy(update={"home": self.home})

    def warehouse(self) -> Warehouse:
        """Open the warehouse for reading, and create nothing."""
        return open_warehouse(self.settings)
