"""Runs the planned processes under supervisord, and asks it how they are.

supervisord restarts what dies, ends whole process groups, and keeps the logs; this module writes
its configuration and speaks its XML-RPC over a socket that only this user can open.
"""

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections import Counter
from collections.abc import Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from supervisor.xmlrpc import SupervisorTransport

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.supervision.plan import PROJECT, Process, preparation

_STOP_SECONDS: Final = 30.0
_PREPARE_SECONDS: Final = 120.0
_SUPERVISED: Final = "ENERGY_PLATFORM_SUPERVISED"
"""Names the home in the environment of every supervised process, and of no other."""
_LOG_BYTES: Final = "10MB"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """How one supervised process is, in supervisord's words; `pid` is 0 while it does not run."""

    name: str
    pid: int
    state: str
    restarts: int


class Supervisor:
    """The supervisor of one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        # A socket's path may have about a hundred bytes, and a home folder may be deep.
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"energy-platform-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        _require_own(folder)
        self._socket = folder / f"{digest}.sock"
        self.logs = self.home / "logs"

    def statuses(self) -> list[ProcessStatus]:
        """Return each process's status; empty when nothing runs."""
        try:
            with self._proxy() as proxy:
                infos: Any = proxy.supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return []
        restarts = self._restarts()
        return [
            ProcessStatus(info["name"], info["pid"], info["statename"], restarts[info["name"]])
            for info in infos
        ]

    def start(
        self, planned: Sequence[Process], environment: Mapping[str, str], instance: Path
    ) -> subprocess.Popen[bytes]:
        """Start supervisord, which starts all else; it is in a session of its own.

        Args:
            planned: What to run, in this order.
            environment: What every process finds in its environment.
            instance: The `dagster.yaml` to run with.

        Raises:
            EnergyPlatformError: The platform of this home runs already.
        """
        if self.statuses():
            raise EnergyPlatformError(f"the platform already runs from {self.home}")
        for folder in (self.home / "dagster" / "storage", self.home / "run", self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(instance, self.home / "dagster" / "dagster.yaml")
        self._log().unlink(missing_ok=True)
        _end(self._orphans())
        self._prepare(environment)
        configuration = self.home / "run" / "supervisord.conf"
        with configuration.open("w") as file:
            self._configuration(planned).write(file)
        return subprocess.Popen(  # noqa: S603 (our own interpreter, our own configuration)
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration",
             str(configuration)],
            env={**environment, _SUPERVISED: str(self.home)}, cwd=PROJECT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _prepare(self, environment: Mapping[str, str]) -> None:
        log = self.logs / "preparation.log"
        with log.open("w") as output:
            done = subprocess.run(  # noqa: S603 (a command of our own)
                preparation(), env=environment, cwd=PROJECT, stdout=output, stderr=output,
                timeout=_PREPARE_SECONDS, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise EnergyPlatformError(f"Dagster's databases could not be made; see {log}")

    def stop(self, pid: int) -> None:
        """End supervisord and every process below it; return when none is left."""
        family = _family(pid)
        for process in family[:1]:
            _signal(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        _end([*alive, *self._orphans()])

    def _orphans(self) -> list[psutil.Process]:
        """Return this home's processes that a supervisord left behind when it was killed."""
        orphans = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(_SUPERVISED) == str(self.home):
                    orphans.append(process)
        return orphans

    def pid(self) -> int | None:
        """Return the process id of this home's supervisord, if it runs."""
        try:
            with self._proxy() as proxy:
                answer: Any = proxy.supervisor.getPID()
        except (OSError, xmlrpc.client.Error):
            return None
        return int(answer)

    def _proxy(self) -> xmlrpc.client.ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def _log(self) -> Path:
        return self.logs / "supervisord.log"

    def _restarts(self) -> Counter[str]:
        """Count how often each process was started again: supervisord says so only in its log."""
        starts = re.findall(r"spawned: '([^']+)'", self._log().read_text(errors="replace"))
        return Counter(starts) - Counter(set(starts))

    def _configuration(self, planned: Sequence[Process]) -> RawConfigParser:
        configuration = RawConfigParser()
        configuration["unix_http_server"] = {"file": str(self._socket), "chmod": "0700"}
        configuration["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        configuration["supervisord"] = {
            "logfile": str(self._log()),
            "pidfile": str(self.home / "run" / "supervisord.pid"),
            "childlogdir": str(self.logs),
        }
        for process in planned:
            configuration[f"program:{process.name}"] = {
                "command": shlex.join(process.command).replace("%", "%%"),
                "directory": str(PROJECT),
                "autorestart": "true",
                "startsecs": "1",
                "startretries": "1000000",
                "stopasgroup": "true",
                "killasgroup": "true",
                "stopwaitsecs": "10",
                "redirect_stderr": "true",
                "stdout_logfile": str(self.logs / f"{process.name}.log"),
                "stdout_logfile_maxbytes": _LOG_BYTES,
                "stdout_logfile_backups": "2",
            }
        return configuration


def _require_own(folder: Path) -> None:
    """Refuse a folder that somebody else made or may write to: its socket could be theirs."""
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise EnergyPlatformError(f"{folder} must be a folder that only this user may open")


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _end(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=_STOP_SECONDS)


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and all below it; nothing if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
