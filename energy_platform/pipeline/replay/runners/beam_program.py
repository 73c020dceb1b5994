"""The Beam pipeline that stages a plan, as a program of Beam's own environment.

    python -c 'from …runners.beam_program import main; main()' \
        LANDING SOURCE PLAN RANGES MOST_BYTES [--runner=DataflowRunner …]

Its standard input is a pipe that nobody writes to. When the other end is closed, the job is
cancelled, at Dataflow too, and the program ends with its workers.
"""

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from energy_platform.pipeline.replay.plan import Share
from energy_platform.pipeline.replay.stage import stage
from energy_platform.storage.landing import LandingZone


class Work(NamedTuple):
    """What to stage, as the program's arguments say it."""

    landing: str
    source_name: str
    plan_id: str
    ranges: int
    most_bytes: int


def main() -> None:
    """Run the pipeline that the arguments describe, and wait for its end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    landing, source_name, plan_id, ranges, most_bytes, *options = sys.argv[1:]
    work = Work(landing, source_name, plan_id, int(ranges), int(most_bytes))
    pipeline = beam.Pipeline(options=PipelineOptions(options))
    (
        pipeline
        | "Ranges" >> beam.Create(range(work.ranges))
        | "Spread" >> beam.Reshuffle()
        | "Stage" >> beam.Map(stage_one, work)
    )
    started: list[PipelineResult] = []
    threading.Thread(target=_end_with_the_other_side, args=[started], daemon=True).start()
    # Some runners return at once, and others at the end.
    started.append(pipeline.run())
    state = started[0].wait_until_finish()
    if state not in (None, PipelineState.DONE):
        sys.exit(f"the pipeline ended as {state}")


def stage_one(number: int, work: Work) -> None:
    """Stage one range of a plan, on a worker."""
    zone, share = LandingZone.open(work.landing), Share(number, work.ranges)
    stage(zone, work.source_name, work.plan_id, share, most_bytes=work.most_bytes)


def _end_with_the_other_side(started: list[PipelineResult]) -> None:
    """Wait until nobody wants the result any more, then cancel and end all."""
    while os.read(sys.stdin.fileno(), 1):  # not the buffer, whose lock an ending interpreter wants
        pass
    for result in started:
        with suppress(Exception):  # the process ends in any case
            result.cancel()
    os.killpg(0, signal.SIGKILL)
