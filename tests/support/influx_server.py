"""An InfluxDB 1.x server in a process of its own, to be written to, killed and started again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from energy_platform.settings import InfluxApi
from energy_platform.storage.hot_store.influxdb.server import InfluxServer, Login, Patience
from energy_platform.storage.hot_store.influxdb.store import InfluxHotStore
from tests.support.feeds import free_ports
from tests.support.hanging import hanging

MISSING = "no InfluxDB: `apt-get install influxdb` brings one"
FOR_GOOD_DAYS = 36_500
"""A retention that holds the fixed instants of any test."""

QUICK = Patience(
    connect_seconds=1,
    answer_seconds=20,
    tries=1,
    first_pause_seconds=0.1,
    longest_pause_seconds=0.2,
)
"""A patience for which an outage of seconds is long."""


def is_installed() -> bool:
    """Return whether this machine has the server."""
    return shutil.which("influxd") is not None


@dataclass
class InfluxProcess:
    """The server; acknowledged data outlives its process.

    Attributes:
        folder: The folder of its data.
        options: Its settings, as environment variables.
    """

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    _ports: list[int] = field(default_factory=lambda: list(free_ports(2)))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, the same one after each start."""
        return f"http://127.0.0.1:{self._ports[0]}"

    def settings(self) -> dict[str, str]:
        """Return the variables by which a platform uses it as its hot store."""
        return {
            "ENERGY_PLATFORM_HOT_STORE": "influxdb",
            "ENERGY_PLATFORM_INFLUXDB_API": "v1",
            "ENERGY_PLATFORM_INFLUXDB_URL": self.url,
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # The kernel ends it if this process is killed.
        with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*with_us, "influxd", "run", "-config", os.devnull],
                env={
                    **os.environ,
                    "INFLUXDB_META_DIR": str(self.folder / "meta"),
                    "INFLUXDB_DATA_DIR": str(self.folder / "data"),
                    "INFLUXDB_DATA_WAL_DIR": str(self.folder / "wal"),
                    "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{self._ports[0]}",
                    "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{self._ports[1]}",
                    "INFLUXDB_MONITOR_STORE_ENABLED": "false",
                    "INFLUXDB_REPORTING_DISABLED": "true",
                    "INFLUXDB_DATA_INDEX_VERSION": "tsi1",
                    **self.options,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        give_up_at = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as a lost machine would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None

    def stopped(self) -> AbstractContextManager[None]:
        """Let it hang while the context lasts: it takes connections and says nothing."""
        return hanging(self._process)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._ports[0]), 1),
        ):
            return True
        return False

    def login(self, database: str, *, token: str | None = None) -> Login:
        """Return the login for one of its databases."""
        return Login(url=self.url, api=InfluxApi.V1, bucket=database, token=token)

    def store(
        self, database: str, *, locks: Path, days: int = FOR_GOOD_DAYS, patience: Patience = QUICK
    ) -> InfluxHotStore:
        """Open a hot store in one of its databases."""
        server = InfluxServer(self.login(database), days=days, patience=patience)
        return InfluxHotStore(server, locks=locks)


@contextmanager
def influx_process(
    folder: Path, options: Mapping[str, str] | None = None
) -> Iterator[InfluxProcess]:
    """Run a server with its data in `folder` until the context ends."""
    process = InfluxProcess(folder, options or {})
    process.start()
    try:
        yield process
    finally:
        process.kill()
