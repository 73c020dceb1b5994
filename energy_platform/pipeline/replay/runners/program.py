"""What a process of this machine runs that stages a task's ranges: it ends with whoever started it.

    python -P -c 'from …runners.program import main; main()' LANDING SOURCE PLAN TASK OF MOST_BYTES

Its standard input is a pipe that nobody writes to. When the other end is closed, be it by a kill,
the process ends at once, in the middle of a range too: a range is staged whole or not at all.
"""

import logging
import os
import sys
import threading

from energy_platform.pipeline.replay.plan import Share
from energy_platform.pipeline.replay.stage import stage
from energy_platform.storage.landing import LandingZone


def main() -> None:
    """Stage the ranges that the arguments name."""
    threading.Thread(target=_end_with_the_other_side, daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    landing, source_name, plan_id, task, of, most_bytes = sys.argv[1:]
    stage(
        LandingZone.open(landing),
        source_name,
        plan_id,
        Share(int(task), int(of)),
        most_bytes=int(most_bytes),
    )


def _end_with_the_other_side() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not the buffer, whose lock an ending interpreter wants
        pass
    os._exit(1)
