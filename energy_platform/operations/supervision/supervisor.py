"""Runs the planned processes under supervisord, and asks it for their states.

supervisord restarts processes that die, ends whole process groups, and keeps the logs. This module
writes its configuration and speaks its XML-RPC over a socket that only this user can open.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import xmlrpc.client
from collections import Counter
from collections.abc import Sequence
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from supervisor.xmlrpc import SupervisorTransport

from energy_platform.operations.databases import databases
from energy_platform.operations.supervision.home import claimed_home, write_whole
from energy_platform.operations.supervision.plan import Plan, Process
from energy_platform.operations.supervision.short_paths import short_path
from energy_platform.operations.supervision.warm_supervisord import SUPERVISED_BY, WarmStart
from energy_platform.storage.sqlite_file import set_aside_if_damaged

_PATIENCE_SECONDS: Final = 3
"""How long a process may take to stop before supervisord kills it."""
_STOP_SECONDS: Final = 4.5
"""How long supervisord may take to stop all processes before it and the rest are killed."""
_SUPERVISED: Final = "ENERGY_PLATFORM_SUPERVISED"
"""The variable that names the home in every supervised process's environment, and in no other."""
_LOG_BYTES: Final = "10MB"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One supervised process's state, in supervisord's words; `pid` is 0 while it does not run."""

    name: str
    pid: int
    state: str
    restarts: int


class Supervisor:
    """The supervisor of one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self._socket = short_path(self.home, ".sock")
        self.logs = self.home / "logs"
        self.preparation_log = self.logs / "preparation.log"

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

    def start(self, plan: Plan, instance: Path) -> subprocess.Popen[bytes]:
        """Start supervisord, in a session of its own; supervisord starts all processes.

        It stops by itself when this process ends, and then ends every process.

        Args:
            plan: What to run, with which environment and on which ports.
            instance: The `dagster.yaml` to run with.

        Raises:
            EnergyPlatformError: The platform of this home runs already, or can't run from it.
        """
        with claimed_home(self.home) as lock:
            _end(self.orphans())
            for database in databases(self.home / "dagster"):
                # Dagster's history of runs, events and ticks is no truth: it begins anew.
                set_aside_if_damaged(database)
            shutil.copyfile(instance, self.home / "dagster" / "dagster.yaml")
            self._log().unlink(missing_ok=True)
            configuration = self.home / "run" / "supervisord.conf"
            with configuration.open("w") as file:
                _configuration(plan.processes, self._socket).write(file)
            plan.warm_start.write_beside(configuration)
            for private, text in plan.private_files.items():
                write_whole(private, text)
            with self.preparation_log.open("w") as output:
                return subprocess.Popen(  # noqa: S603 (this interpreter, with the configuration written above)
                    [sys.executable, "-P", "-m", WarmStart.__module__, "--nodaemon",
                     "--configuration", str(configuration)],
                    env={**plan.environment, _SUPERVISED: str(self.home),
                         SUPERVISED_BY: str(os.getpid())},
                    cwd=self.home, start_new_session=True, pass_fds=(lock, *plan.kept),
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                )  # fmt: skip

    def stop(self, pid: int) -> None:
        """End supervisord and all its descendants; return when none is left."""
        family = _family(pid)
        for process in family[:1]:
            _signal(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        _end([*alive, *self.orphans()])

    def orphans(self) -> list[psutil.Process]:
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

    def listens(self, name: str, port: int) -> bool:
        """Return whether this process, and no other program, listens on a port."""
        with contextlib.suppress(psutil.Error):
            for status in self.statuses():
                if status.name == name and status.pid:
                    sockets = psutil.Process(status.pid).net_connections("tcp")
                    return any(
                        one.status == psutil.CONN_LISTEN and one.laddr.port == port
                        for one in sockets
                    )
        return False

    def _proxy(self) -> xmlrpc.client.ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def _log(self) -> Path:
        return self.logs / "supervisord.log"

    def _restarts(self) -> Counter[str]:
        """Count how often each process was restarted; only supervisord's log has this."""
        starts = re.findall(r"spawned: '([^']+)'", self._log().read_text(errors="replace"))
        return Counter(starts) - Counter(set(starts))


def _configuration(planned: Sequence[Process], socket: Path) -> RawConfigParser:
    """Return the configuration of a supervisord that starts in the home folder.

    Paths are relative to the home, because supervisord would interpret a `#` after a blank, or a
    `%`, in the home's name.
    """
    configuration = RawConfigParser()
    configuration["unix_http_server"] = {
        "file": str(socket).replace("%", "%%"),
        "chmod": "0700",
    }
    configuration["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    configuration["supervisord"] = {
        "logfile": "logs/supervisord.log",
        "logfile_maxbytes": _LOG_BYTES,
        "logfile_backups": "2",
        "pidfile": "run/supervisord.pid",
        "childlogdir": "logs",
        "silent": "true",
    }
    # Groups are stopped one after the other, the highest number first, and processes of one group
    # at once.
    for number, names in enumerate(_stopped_together(planned)):
        configuration[f"group:{number}"] = {"programs": ",".join(names), "priority": str(number)}
    for number, process in enumerate(planned):
        configuration[f"program:{process.name}"] = {
            "command": _literally(shlex.join(process.command)),
            "priority": str(number),
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "1000000",
            "stopasgroup": "true",
            "killasgroup": "true",
            "stopwaitsecs": str(_PATIENCE_SECONDS),
            "redirect_stderr": "true",
            "stdout_logfile": f"logs/{process.name}.log",
            "stdout_logfile_maxbytes": _LOG_BYTES,
            "stdout_logfile_backups": "2",
        }
    return configuration


def _stopped_together(planned: Sequence[Process]) -> list[list[str]]:
    """Return the names of the processes that others need to the last, and of all others."""
    last = [process.name for process in planned if process.ends_last]
    others = [process.name for process in planned if not process.ends_last]
    return [names for names in (last, others) if names]


def _literally(command: str) -> str:
    r"""Return a command quoted so that supervisord does not expand it.

    A blank and `#` or `;` would begin a comment; quotes of the shell separate the two.

    >>> _literally("'My files #1/100%/run' --all")
    '\'My files \'"#"\'1/100%%/run\' --all'
    """
    return re.sub(r"(?<=\s)[#;]", r"""'"\g<0>"'""", command).replace("%", "%%")


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _end(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=_STOP_SECONDS)


def _family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
