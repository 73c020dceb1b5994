"""A process that runs micro-batches of the example source, to be raced and killed."""

import subprocess
import sys
from pathlib import Path

from tests.support.sources import EXAMPLE
from tests.support.stores import batches_in

PROJECT = Path(__file__).parents[2]


def start(folder: Path, *, batch_messages: int) -> subprocess.Popen[str]:
    """Start a process that waits, ready to run, until `go`."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder), str(batch_messages)],
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


def _main(folder: Path, batch_messages: int) -> None:
    batches = batches_in(folder, batch_messages=batch_messages)
    print("ready", flush=True)  # noqa: T201 (`go` reads it)
    sys.stdin.readline()
    while batches.is_behind(EXAMPLE):
        batches.run(EXAMPLE)
    # The other process of a race may have stored the last batch and not yet its hot points.
    batches.run(EXAMPLE)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
