"""The job that starts a backfill from the UI, where it can be watched and ended.

It does what `energy-platform backfill` does. The market groups' own runs store the rows.
"""

import asyncio
import time
from typing import Any, Final

from dagster import (
    Config,
    Failure,
    MetadataValue,
    OpExecutionContext,
    Output,
    job,
    op,
)
from pydantic import Field

from energy_platform.errors import EnergyPlatformError
from energy_platform.ingest.backfill import (
    Backfiller,
    BackfillRecord,
    BackfillReport,
    BackfillWindow,
    stored_rows,
)
from energy_platform.market.instants import parse_instant
from energy_platform.market.registry import market_source
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import settings
from resources import Platform
from resources.launcher import OWN_PROCESS

_TOLD_EVERY_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 2.0
_STALLED_SECONDS: Final = 300.0
"""How long the market group's runs may make no progress before this run stops waiting."""


class BackfillConfig(Config):
    """What to ask for."""

    source: str = Field(description="A market source's name, e.g. energy_charts_price.")
    start: str = Field(description="From this instant on, ISO 8601; a date is its midnight in UTC.")
    end: str = Field(description="To this instant, itself not included.")
    again: bool = Field(
        default=False, description="Ask for all of it anew, whatever has landed before."
    )


class _Teller:
    """Writes the backfill's progress to the run's log, now and then."""

    def __init__(self, context: OpExecutionContext) -> None:
        self._context = context
        self._began = self._told = time.monotonic()
        self._done_before: int | None = None

    def chunks(self, done: int, of: int) -> None:
        """Log how many chunks have landed: at the first, at the last and in between."""
        now = time.monotonic()
        if self._done_before is None:
            self._done_before = done
        elif done < of and now - self._told < _TOLD_EVERY_SECONDS:
            return
        self._told = now
        new = done - self._done_before
        left = f", about {(now - self._began) / new * (of - done):.0f} s to go" if new else ""
        self.say(f"{done:,} of {of:,} chunks have landed{left}")

    def say(self, message: str) -> None:
        """Write a line to the run's log, which does not keep log messages below a warning."""
        self._context.instance.report_engine_event(message, self._context.dagster_run)


@op
def ask_for_the_past(
    context: OpExecutionContext, config: BackfillConfig, platform: Platform
) -> Output[None]:
    """Land a provider's answers about the past, then wait until they are stored."""
    teller = _Teller(context)
    batches = platform.micro_batches
    try:
        window = BackfillWindow(
            source=market_source(config.source),
            start=parse_instant(config.start),
            end=parse_instant(config.end),
        )
        if config.again:
            BackfillRecord(settings().state).forget(window)
        backfiller = Backfiller(window, settings(), batches.landing, teller.chunks)
        report = asyncio.run(backfiller.run())
    except EnergyPlatformError as error:
        raise Failure(str(error), allow_retries=False) from error
    teller.say(f"{report.messages:,} messages have landed; the market group's runs store them")
    metadata = _metadata(
        batches, window, report, is_stored=_is_stored(batches, window, report.stop)
    )
    if not report.is_complete:
        raise Failure(
            f"{report.chunks - report.landed:,} chunks are left; the same run again asks for them",
            metadata=metadata,
            allow_retries=False,
        )
    return Output(None, metadata=metadata)


def _is_stored(batches: MicroBatches, window: BackfillWindow, stop: int) -> bool:
    """Wait until the sensors' runs have stored what landed; return whether they have."""
    table = market_table(window.source)
    reached, since = -1, time.monotonic()
    while (newest := batches.warehouse.committed_offset(table)) < stop:
        if newest != reached:
            reached, since = newest, time.monotonic()
        if time.monotonic() - since > _STALLED_SECONDS:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _metadata(
    batches: MicroBatches, window: BackfillWindow, report: BackfillReport, *, is_stored: bool
) -> dict[str, MetadataValue[Any]]:
    rows, failures = stored_rows(batches, window.source, report.offsets)
    return {
        "chunks": MetadataValue.int(report.chunks),
        "chunks_landed": MetadataValue.int(report.landed),
        "chunks_landed_by_an_earlier_run": MetadataValue.int(report.earlier),
        "chunks_empty": MetadataValue.int(report.empty),
        "chunks_left": MetadataValue.json(report.left),
        "messages": MetadataValue.int(report.messages),
        "rows_new": MetadataValue.int(rows),
        "rows_quarantined": MetadataValue.int(failures),
        "all_stored": MetadataValue.bool(is_stored),
    }


@job(
    name="backfill",
    tags=OWN_PROCESS,
    description=(
        "Asks a provider for the past of one source: give source, start and end in the Launchpad. "
        "The same run again goes on where the last one stopped. Needs a sensor of the source's "
        "market group, which stores what lands."
    ),
)
def backfill_job() -> None:
    """Ask for the past."""
    ask_for_the_past()
