"""A BigQuery emulator in a process of its own: local-bigquery, in its own Python environment."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.error import URLError
from uuid import uuid4

from energy_platform.storage.warehouse.bigquery.client import emulator_client
from tests.support.feeds import free_ports
from tests.support.hanging import hanging

ENVIRONMENT = Path(__file__).parents[2] / ".venv-emulator"
PROJECT = "emulated"

MISSING = "no BigQuery emulator: Python 3.13 is needed, then `make .venv-emulator/.ready`"


def is_installed() -> bool:
    """Return whether `make .venv-emulator/.ready` has been run, which needs Python 3.13."""
    return (ENVIRONMENT / ".ready").exists()


@dataclass
class BigQueryServer:
    """The emulator; its stored data outlives its process, its write streams don't.

    Attributes:
        folder: The folder of its data.
        address: Its REST address.
        grpc_address: Its Storage API, as host:port.
    """

    folder: Path
    _ports: tuple[int, int] = field(
        default_factory=lambda: cast("tuple[int, int]", tuple(free_ports(2)))
    )
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self._ports[1]}"

    def settings(self) -> dict[str, str]:
        """Return the variables by which a platform uses it as its warehouse."""
        return {
            "ENERGY_PLATFORM_WAREHOUSE": "bigquery",
            "ENERGY_PLATFORM_BIGQUERY_PROJECT": PROJECT,
            "ENERGY_PLATFORM_BIGQUERY_EMULATOR": self.address,
            "ENERGY_PLATFORM_BIGQUERY_EMULATOR_GRPC": self.grpc_address,
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    ENVIRONMENT / "bin" / "python",
                    Path(__file__).with_name("bigquery_emulator.py"),
                    *("--host", "127.0.0.1", "--port", str(self._ports[0])),
                    *("--grpc-port", str(self._ports[1]), "--project", PROJECT),
                    *("--data-dir", self.folder / "data"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        give_up_at = time.monotonic() + 100
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it and its children at once, as a lost machine would."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process = None

    @contextlib.contextmanager
    def dataset(self) -> Iterator[str]:
        """Yield the name of a new dataset, and drop its content when the context ends.

        Each call of the emulator reads through all tables.
        """
        name = f"energy_{uuid4().hex}"
        yield name
        with contextlib.closing(emulator_client(PROJECT, self.address)) as client:
            client.delete_dataset(name, delete_contents=True, not_found_ok=True, timeout=120)

    def stopped(self) -> AbstractContextManager[None]:
        """Let it hang while the context lasts: it takes connections and says nothing."""
        return hanging(self._process)

    def _answers(self) -> bool:
        url = f"{self.address}/bigquery/v2/projects/{PROJECT}/datasets"
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False


@contextlib.contextmanager
def bigquery_server(folder: Path) -> Iterator[BigQueryServer]:
    """Run the emulator on free ports, with its data below a folder, until the context ends."""
    server = BigQueryServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
