"""The platform's stores, handed to assets and sensors as one Dagster resource."""

import logging
import sqlite3

from dagster import ConfigurableResource

from energy_platform.operations.lately import Lately
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import settings

_log = logging.getLogger(__name__)


class Platform(ConfigurableResource[MicroBatches]):
    """The landing zone, the warehouse and the hot store that the environment names.

    They are opened once per process and stay open: a warm worker's table handles are what make a
    micro-batch cheap.
    """

    @property
    def micro_batches(self) -> MicroBatches:
        """The way from the landing zone to both stores."""
        return micro_batches()

    def note(self, report: BatchReport) -> None:
        """Note what a batch said, for the status page and the alerts; they can do without it."""
        try:
            Lately(settings().home).add(report)
        except sqlite3.Error as error:
            _log.warning("what a batch of %s said was not noted: %s", report.source, error)
