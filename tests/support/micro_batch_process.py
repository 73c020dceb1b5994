"""A process that works on the example source, to be raced and killed."""

import subprocess
import sys
from pathlib import Path

from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.redrive import redrive
from tests.support.sources import EXAMPLE, MENDED
from tests.support.stores import batches_in

PROJECT = Path(__file__).parents[2]


def start(folder: Path, *, batch_messages: int, work: str = "run") -> subprocess.Popen[str]:
    """Start a process that waits, ready to work, until `go`.

    Args:
        folder: The folder of the stores.
        batch_messages: How many messages it takes at once.
        work: `run` runs micro-batches and the hot lane, `run mended` does so with the corrected
            parser, `redrive` redrives with that parser.
    """
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder), str(batch_messages), work],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    """Let a started process begin; it ends when all that has landed is stored."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def _main(folder: Path, batch_messages: int, work: str) -> None:
    batches = batches_in(folder, batch_messages=batch_messages)
    print("ready", flush=True)  # noqa: T201 (`go` reads it)
    sys.stdin.readline()
    if work == "redrive":
        redrive(batches, MENDED)
        return
    source = MENDED if work == "run mended" else EXAMPLE
    lane = HotLane(batches, source)
    while batches.is_behind(source):
        batches.run(source)
        lane.step()
    lane.bring_up()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
