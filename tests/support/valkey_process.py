"""One of the platform's Valkeys as a process, started as the platform plans it."""

import subprocess
import time
from pathlib import Path

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from energy_platform.operations.supervision.home import write_whole
from energy_platform.operations.supervision.plan import Plan, platform_plan
from energy_platform.operations.supervision.ports import Ports
from energy_platform.settings import Settings

PATIENCE_SECONDS = 30.0
OPERATOR = "user operator on >operator ~* &* +@all\n"
"""A user of these tests alone, who may do anything; the platform has none such."""


class ValkeyProcess:
    """A Valkey of a home, which can be killed and started again.

    Args:
        name: Its name among the platform's processes.
        socket: Where it listens.
        options: More options of its command.

    Attributes:
        plan: What the platform would run.
        settings: The home's settings.
        socket: Where it listens.
        url: Its address for the tests' operator.
    """

    def __init__(self, home: Path, name: str, socket: Path, *options: str) -> None:
        for folder in ("run", "broker"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        self.settings = Settings(home=home)
        self.socket = socket
        self.url = f"unix://operator:operator@{socket}"
        self.plan: Plan = platform_plan(self.settings, Ports(metrics=1, dashboard=2))
        [command] = [one.command for one in self.plan.processes if one.name == name]
        for file, text in self.plan.private_files.items():
            write_whole(file, text + OPERATOR if str(file) in command else text)
        self._command = [*command, *options]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while not _answers(client):
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
