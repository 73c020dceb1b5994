"""The platform's stores, handed to assets and sensors as one Dagster resource."""

from dagster import ConfigurableResource

from energy_platform.micro_batch import MicroBatches
from energy_platform.stores import micro_batches


class Platform(ConfigurableResource[MicroBatches]):
    """The landing zone, the warehouse and the hot store that the environment names.

    They are opened once per process and stay open: a warm worker's table handles are what make a
    micro-batch cheap.
    """

    @property
    def micro_batches(self) -> MicroBatches:
        """The way from the landing zone to both stores."""
        return micro_batches()
