"""supervisord, whose children are forks that begin after the shared imports.

    python -m energy_platform.operations.supervision.warm_supervisord --nodaemon --configuration F

Nine processes of the platform are scripts over the same libraries, whose import takes each
of them seconds. This process imports the libraries once; such a child is a fork of it that runs its
script, at the start and after a crash. Until then this process only imports: it opens no
connection, and no thread of Python, polars or delta-rs has begun to work.

Every child is killed when this process is, and this process stops cleanly when its parent ends.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from supervisor import supervisord
from supervisor.options import ProcessConfig, ServerOptions
from supervisor.poller import Poller
from supervisor.process import Subprocess

from energy_platform.operations.supervision.kernel import end_with_parent, name_process

SUPERVISED_BY: Final = "ENERGY_PLATFORM_SUPERVISED_BY"
"""The variable with the id of the process with which this one ends."""
_LOOK_SECONDS: Final = 0.1
"""How often supervisord checks whether a child has ended, or whether it must stop itself."""
_NEVER_BEGAN: Final = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """What processes share when they begin.

    Attributes:
        folder: The folder in which every process begins; by default, the home.
        programs: The names of the processes that are forks of their supervisor.
        modules: The modules that these share.
        preparation: A script that runs to its end before any of these begins; none if empty.
    """

    folder: str = "."
    programs: Sequence[str] = ()
    modules: Sequence[str] = ()
    preparation: Sequence[str] = ()

    @classmethod
    def beside(cls, configuration: Path) -> Self:
        """Read the file that was written beside supervisord's configuration."""
        return cls(**json.loads(_file_beside(configuration).read_bytes()))

    def write_beside(self, configuration: Path) -> None:
        """Write the file beside supervisord's configuration."""
        _file_beside(configuration).write_text(json.dumps(asdict(self)))

    def make(self) -> None:
        """Import the shared modules, and prepare; end this process if either fails."""
        interrupted = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            for module in self.modules:
                importlib.import_module(module)
            gc.collect()
            # All children share today's memory pages for as long as nobody writes to them.
            gc.freeze()
            if self.preparation:
                _run_to_its_end(self.preparation, self.folder)
        except Exception:  # noqa: BLE001 (after any error, nothing can be started)
            traceback.print_exc()
            os._exit(1)
        signal.signal(signal.SIGTERM, interrupted)


class _Options(ServerOptions):
    """supervisord's options, with children that are forks if they can be."""

    def __init__(self, warm: WarmStart) -> None:
        super().__init__()
        self.poller = _BriskPoller(self)
        self.warm = warm
        self.is_warm = False
        self.pid = os.getpid()

    def processes_from_section(
        self, parser: object, section: str, group_name: str, _class: object = None
    ) -> Any:  # noqa: ANN401 (supervisor has no types)
        return super().processes_from_section(parser, section, group_name, _WarmConfig)

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Become a child's program, in a process that was forked for it."""
        end_with_parent(signal.SIGKILL, self.pid)
        os.chdir(self.warm.folder)
        name = env["SUPERVISOR_PROCESS_NAME"]
        if name in self.warm.programs:
            name_process(name)
            _run_script(argv, env)
        super().execve(filename, argv, env)


class _BriskPoller(Poller):
    """Checks more often than once a second, so that stopping takes no longer than necessary."""

    def poll(self, timeout: float) -> Any:  # noqa: ANN401
        return super().poll(min(timeout, _LOOK_SECONDS))


class _WarmConfig(ProcessConfig):
    def make_process(self, group: object = None) -> "_WarmProcess":
        process = _WarmProcess(self)
        process.group = group
        return process


class _WarmProcess(Subprocess):
    """A child; the first that needs the shared imports waits for them, others start before."""

    def spawn(self) -> Any:  # noqa: ANN401
        options = self.config.options
        if self.config.name in options.warm.programs and not options.is_warm:
            options.warm.make()
            options.is_warm = True
        return super().spawn()


def _file_beside(configuration: Path) -> Path:
    return configuration.with_name("warm_start.json")


def _run_to_its_end(command: Sequence[str], folder: str) -> None:
    """Run a console script in a fork that begins in a folder.

    Raises:
        ChildProcessError: The script failed.
    """
    parent, child = os.getpid(), os.fork()
    if child == 0:
        end_with_parent(signal.SIGKILL, parent)
        os.chdir(folder)
        _run_script(command, os.environ)
    if os.waitpid(child, 0)[1] != 0:
        raise ChildProcessError(f"{' '.join(command)} failed")


def _run_script(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a console script, or `python -m`, in this fork as a process of its own would; end it."""
    status = _NEVER_BEGAN
    try:
        _forget_the_parent(dict(environment))
        if "-m" in command[1:2]:
            sys.argv = list(command[2:])
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(command)
            runpy.run_path(command[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = _exit_status(ended.code)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001 (this is the last frame of the process)
        traceback.print_exc()
        status = 1
    finally:
        # The interpreter does this at its end, and `os._exit` leaves it out.
        threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _forget_the_parent(environment: Mapping[str, str]) -> None:
    """Take over the environment, and restore the signal handlers of a new process."""
    os.environ.clear()
    os.environ.update(environment)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit_status(code: object) -> int:
    """Return the exit status of a `SystemExit`; print its argument if it isn't a number."""
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


def main(arguments: Sequence[str]) -> None:
    """Run supervisord with these arguments until it is told to stop."""
    end_with_parent(signal.SIGTERM, int(os.environ[SUPERVISED_BY]))
    configuration = Path(arguments[arguments.index("--configuration") + 1])
    options = _Options(WarmStart.beside(configuration))
    options.realize(arguments, doc=supervisord.__doc__)
    options.first, options.test = True, False
    supervisord.go(options)
    options.close_httpservers()
    options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
