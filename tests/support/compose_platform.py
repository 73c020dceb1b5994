"""The platform of `compose.yaml` on a Docker daemon of its own, for tests to strike and observe."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from energy_platform.errors import EnergyPlatformError
from energy_platform.market.registry import market_source, market_sources
from energy_platform.operations.supervision.plan import PROJECT
from energy_platform.pipeline.stores import open_warehouse
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings
from tests.support.container_images import Images
from tests.support.docker_daemon import Docker, docker_daemon
from tests.support.running_platform import FAST, wait_for

PROJECT_NAME: Final = "energy"
_FILES: Final = ("compose.yaml", "compose.override.yaml", "tests/deploy/compose.test.yaml")
_START_SECONDS: Final = 1_800.0
_RECOVERY_SECONDS: Final = 600.0
_COMMAND_SECONDS: Final = 3_600.0
_ONCE: Final = frozenset({"secrets", "prepare"})
"""Services that end."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container.

    Attributes:
        name: Its name.
        pid: The process that it lives as long as; 0 while it does not run.
        is_ready: Whether it runs and, if it has a health check, passes it.
    """

    name: str
    pid: int
    is_ready: bool


@dataclass(frozen=True)
class ComposePlatform:
    """A platform that `docker-compose up` has started.

    Attributes:
        docker: Its daemon.
    """

    docker: Docker

    def compose(self, *arguments: str) -> str:
        """Return what docker-compose prints."""
        files = [word for file in _FILES for word in ("-f", file)]
        done = subprocess.run(
            ["/usr/bin/docker-compose", "--project-name", PROJECT_NAME, *files, *arguments],
            cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False,
            timeout=_COMMAND_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of docker-compose, which waits longer for a busy machine than usual."""
        return {**self.docker.environment, "COMPOSE_HTTP_TIMEOUT": "600"}

    def containers(self) -> dict[str, Container]:
        """Return the containers of services that go on, by their names."""
        label = f"label=com.docker.compose.project={PROJECT_NAME}"
        ids = self.docker.ask("ps", "--all", "--quiet", "--filter", label).split()
        found: list[dict[str, Any]] = json.loads(self.docker.ask("inspect", *ids)) if ids else []
        return {
            said["Name"].lstrip("/"): _container(said)
            for said in found
            if said["Config"]["Labels"]["com.docker.compose.service"] not in _ONCE
        }

    def kill(self, name: str) -> None:
        """Kill a container's first process, as the kernel does; Docker starts it again.

        `docker kill` would count as a wish that it stays down.
        """
        pid = self.containers()[name].pid
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def committed(self, names: Iterable[str] = FAST) -> dict[str, int]:
        """Return up to which offset the warehouse holds each source; nothing is written for it."""
        warehouse = open_warehouse(Settings(home=self.home))
        try:
            return {
                one: warehouse.committed_offset(market_table(market_source(one))) for one in names
            }
        except EnergyPlatformError:
            return dict.fromkeys(names, 0)

    @property
    def home(self) -> Path:
        """The volume that the platform's processes share."""
        return self.docker.volume(f"{PROJECT_NAME}_home")

    def accounts(self) -> list[dict[str, Any]]:
        """Stop market time, wait until all is stored, and return each source's account."""
        found: list[dict[str, Any]] = json.loads(self.compose("run", "--rm", "-T", "accounts"))
        return found

    def wait_until_flowing(self) -> None:
        """Wait until every container is ready and every source has rows."""
        wait_for("container ready", self._all_ready, _START_SECONDS)
        every = list(market_sources())
        wait_for(
            "rows of every source", lambda: all(self.committed(every).values()), _START_SECONDS
        )

    def recovery_of(self, name: str) -> tuple[float, float]:
        """Kill a container; return after how many seconds it was ready, and the platform well.

        The platform is well when the quick sources have stored what came after the container ran.

        Raises:
            AssertionError: It does not get well.
        """
        before, since = self.containers()[name].pid, time.monotonic()
        self.kill(name)

        def is_back() -> bool:
            now = self.containers()[name]
            return now.is_ready and now.pid != before

        wait_for(f"return of {name}", is_back, _RECOVERY_SECONDS)
        back = time.monotonic() - since
        stored = self.committed()
        wait_for(
            f"rows after {name}",
            lambda: all(now > stored[one] for one, now in self.committed().items()),
            _RECOVERY_SECONDS,
        )
        return back, time.monotonic() - since

    def _all_ready(self) -> bool:
        containers = self.containers().values()
        return bool(containers) and all(one.is_ready for one in containers)


def _container(said: dict[str, Any]) -> Container:
    state = said["State"]
    health = state.get("Health", {}).get("Status", "healthy")
    is_ready = state["Status"] == "running" and health == "healthy"
    return Container(said["Name"].lstrip("/"), int(state["Pid"]), is_ready)


@contextmanager
def compose_platform(folder: Path, images: Images) -> Iterator[ComposePlatform]:
    """Build the images, run the platform of compose, and take it down when the context ends."""
    names = [images.built("simulated"), images.pgbouncer(), images.stores()]
    with docker_daemon(folder) as docker:
        for name in names:
            archive = folder / "image.tar"
            images.save(name, archive)
            docker.ask("load", "--input", str(archive), seconds=_COMMAND_SECONDS)
            archive.unlink()
        platform = ComposePlatform(docker)
        try:
            platform.compose("up", "--detach", "--no-build")
            platform.wait_until_flowing()
            yield platform
        finally:
            (folder / "compose.log").write_text(platform.compose("logs", "--no-color"))
            platform.compose("down", "--volumes")
