"""A Docker daemon of a test's own: in a network of its own, with its own folders and socket."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TOOLS: Final = ("dockerd", "docker-compose", "unshare", "ip", "iptables")
_START_SECONDS: Final = 120.0
_COMMAND: Final = (
    'ip link set lo up && exec dockerd --host "unix://$1/docker.sock" --data-root "$1/data"'
    ' --exec-root "$1/exec" --pidfile "$1/pid" --storage-driver overlay2 --userland-proxy=false'
)


def missing() -> str:
    """Return which programs this machine lacks, as a reason to skip; empty if it has all."""
    lacking = [one for one in TOOLS if shutil.which(one) is None]
    if lacking:
        return (
            f"no {', '.join(lacking)}: apt-get install docker.io docker-compose iptables iproute2"
        )
    return "" if os.geteuid() == 0 else "a Docker daemon is started by root"


@dataclass(frozen=True)
class Docker:
    """A running daemon.

    Attributes:
        folder: Where its socket and data are.
    """

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of its clients."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/docker.sock"}

    def ask(self, *arguments: str, seconds: float = 600.0) -> str:
        """Return what `docker` prints."""
        done = subprocess.run(
            # Debian's own client, which is of the daemon's version.
            ["/usr/bin/docker", *arguments], env=self.environment, capture_output=True, text=True,
            check=False, timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def volume(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self.folder / "data" / "volumes" / name / "_data"


@contextmanager
def docker_daemon(folder: Path) -> Iterator[Docker]:
    """Run a daemon for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        process: subprocess.Popen[Any] = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _COMMAND, "sh", str(folder)], stdout=log, stderr=log
        )
    docker = Docker(folder)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(docker):
            said = (folder / "log").read_text()[-2000:]
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.5)
        yield docker
    finally:
        process.terminate()
        process.wait(60)


def _answers(docker: Docker) -> bool:
    try:
        return bool(docker.ask("version", "--format", "{{.Server.Version}}", seconds=10))
    except (AssertionError, subprocess.TimeoutExpired):
        return False
