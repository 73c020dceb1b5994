"""The job that replays a source from the UI, where it can be watched and ended.

It does what `energy-platform replay` does. Ended, it ends the engine's work within seconds, and the
same run again goes on where it was.
"""

import time
from typing import Final

from dagster import (
    AssetMaterialization,
    AssetObservation,
    Config,
    Failure,
    OpExecutionContext,
    job,
    op,
)
from pydantic import Field

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.instants import parse_instant
from energy_platform.market.registry import market_source
from energy_platform.pipeline.replay import ReplayReport, replay
from energy_platform.pipeline.replay.runners.choice import open_stager
from energy_platform.settings import ReplayRunner, settings
from resources import Platform
from resources.launcher import OWN_PROCESS

_TOLD_EVERY_SECONDS: Final = 5.0


class ReplayConfig(Config):
    """What to make again."""

    source: str = Field(description="A market source's name, e.g. energy_charts_price.")
    start: str = Field(
        default="", description="From messages received then on, ISO 8601; from the first if empty."
    )
    runner: str = Field(
        default="",
        description="What parses: processes, cloud_run or beam; as the settings say if empty.",
    )


class _Teller:
    """Reports how many ranges are staged, now and then, as observations of the source's asset."""

    def __init__(self, context: OpExecutionContext, source_name: str) -> None:
        self._context = context
        self._source_name = source_name
        self._told_at = float("-inf")

    def ranges(self, staged: int, of: int) -> None:
        """Report how many ranges are staged."""
        now = time.monotonic()
        if staged < of and now - self._told_at < _TOLD_EVERY_SECONDS:
            return
        self._told_at = now
        self._context.log_event(
            AssetObservation(
                asset_key=self._source_name,
                description=f"{staged:,} of {of:,} ranges are staged",
                metadata={"replay_ranges_staged": staged, "replay_ranges": of},
            )
        )


@op
def make_again(context: OpExecutionContext, config: ReplayConfig, platform: Platform) -> None:
    """Plan, stage and merge a source's messages, until its table has caught up."""
    batches = platform.micro_batches
    try:
        source = market_source(config.source)
        log = batches.landing.log(source.name)
        start = log.offset_at(parse_instant(config.start)) if config.start else 0
        runner = ReplayRunner(config.runner) if config.runner else None
        teller = _Teller(context, source.name)
        stager = open_stager(settings(), batches.landing, runner, tell=teller.ranges)
        done = replay(batches, source, start=start, stager=stager)
    except (EnergyPlatformError, ValueError) as error:
        raise Failure(str(error), allow_retries=False) from error
    context.log_event(_materialization(done))


def _materialization(done: ReplayReport) -> AssetMaterialization:
    return AssetMaterialization(
        asset_key=done.source,
        description=f"Replayed from landing offset {done.start:,} on",
        metadata={
            "replayed_from_offset": done.start,
            "replayed_to_offset": done.stop,
            "messages_replayed": done.messages,
            "rows_stored": done.rows,
            "replay_ranges": done.ranges,
        },
    )


@job(
    name="replay",
    tags=OWN_PROCESS,
    description=(
        "Makes one source's table and hot copy again from the landing zone: give the source in the"
        " Launchpad. Micro-batches may run meanwhile. The same run again goes on where an ended one"
        " stopped."
    ),
)
def replay_job() -> None:
    """Make a source's rows again."""
    make_again()
