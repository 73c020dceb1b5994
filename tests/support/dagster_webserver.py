"""Dagster's web server as the platform starts it, in a process of its own, over nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.operations.supervision.ports import answers

_START_SECONDS = 240.0


@contextmanager
def dagster_webserver(folder: Path, socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server with an empty workspace; its own files are below `folder`."""
    folder.mkdir(parents=True)
    workspace = folder / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(PROJECT)}
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "resources.webserver", str(socket), str(workspace)],
            env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not answers(socket):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()
