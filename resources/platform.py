"""The platform's stores, given to assets and sensors as one Dagster resource."""

import logging
import sqlite3
from functools import cache

from dagster import ConfigurableResource, Failure
from polars.exceptions import PanicException

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.source import MarketSource
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import StatePlace, settings

_log = logging.getLogger(__name__)


class Platform(ConfigurableResource[MicroBatches]):
    """The landing zone, the warehouse and the hot store that the environment names.

    They are opened once per process and stay open: a warm worker's table handles make a micro-batch
    cheap.
    """

    @property
    def micro_batches(self) -> MicroBatches:
        """The way from the landing zone to both stores."""
        return micro_batches()

    @property
    def history(self) -> BatchHistory:
        """What the batches of this platform did."""
        return _history(settings().state)

    def run(self, source: MarketSource) -> BatchReport:
        """Run the next micro-batch of a source, and record the result in the history.

        A record that can't be written is logged; the batch doesn't depend on it.

        Raises:
            Failure: A table or a message made polars panic. polars' own error is no `Exception`,
                and would end the run before the group's other sources had their turn.
        """
        try:
            report = self.micro_batches.run(source)
        except PanicException as error:
            self._note(source, error)
            raise Failure(f"{source.name}: polars panicked: {error}") from error
        except Exception as error:
            self._note(source, error)
            raise
        self._note(source, report)
        return report

    def _note(self, source: MarketSource, outcome: BatchReport | BaseException) -> None:
        try:
            if isinstance(outcome, BatchReport):
                self.history.add(outcome)
            else:
                self.history.add_failure(source.name, outcome)
        except (sqlite3.Error, EnergyPlatformError, OSError) as error:
            _log.warning("what a batch of %s did was not noted: %s", source.name, error)


@cache
def _history(place: StatePlace) -> BatchHistory:
    return BatchHistory(place)
