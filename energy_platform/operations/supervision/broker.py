"""Starts the broker's Valkey, with an empty file if it can't start with the one that is there.

    python -P -m energy_platform.operations.supervision.broker FOLDER COMMAND...

The file holds runs that wait for a worker. It is no truth: the sensors ask again for what waited.
So a file that Valkey refuses is set aside. Valkey itself judges it, and cuts off a torn end.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Final

from energy_platform.operations.supervision.kernel import end_with_parent
from energy_platform.storage.aside import set_aside

_FILES: Final = "appendonlydir"
"""Where Valkey keeps its file, in parts."""
_SOCKET: Final = "trial.sock"
_READY: Final = "Ready to accept connections"
_OF_THE_FILE: Final = re.compile(r"append only file|AOF|RDB")
_OF_THE_MACHINE: Final = re.compile(
    r"Permission denied|Read-only|No space left|Too many open files|allocate memory|quota"
)
"""Why Valkey can't read or write a file that may be sound."""
_PATIENCE_SECONDS: Final = 120.0
"""How long reading the file may take; after that the broker starts with it all the same."""


def main(folder: Path, command: Sequence[str]) -> None:
    """Become the broker; set its file aside before that if the broker can't start with it."""
    files = folder / _FILES
    if files.exists() and (why := refusal(folder, command)):
        aside = set_aside(files)
        print(  # noqa: T201 (into the broker's log, as Valkey does)
            f"{files} is damaged ({why}): it is kept as {aside.name} and begun anew;"
            " the sensors ask again for the runs that waited",
            file=sys.stderr,
            flush=True,
        )
    os.execv(command[0], list(command))  # noqa: S606 (the plan's own command)


def refusal(folder: Path, command: Sequence[str]) -> str:
    """Return why a Valkey does not start with the file that it finds; empty if it does.

    It is started beside its usual socket, and killed once it has read the file.
    """
    said: list[str] = []
    with subprocess.Popen(  # noqa: S603 (the plan's own command)
        [*command, "--port", "0", "--unixsocket", _SOCKET],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=partial(end_with_parent, signal.SIGKILL, os.getpid()),  # noqa: PLW1509 (no thread runs yet)
    ) as trial:
        bound = Timer(_PATIENCE_SECONDS, trial.kill)
        bound.start()
        for line in trial.stdout or ():
            said.append(line.strip())
            if _READY in line:
                trial.kill()
        bound.cancel()
    (folder / _SOCKET).unlink(missing_ok=True)
    text = "\n".join(said)
    is_refused = trial.returncode == 1 and _OF_THE_FILE.search(text)
    return _reason(said) if is_refused and not _OF_THE_MACHINE.search(text) else ""


def _reason(said: Sequence[str]) -> str:
    """Return Valkey's last warning.

    >>> _reason(["1:M 30 Nov 2026 16:45:31.143 # Found an empty AOF manifest", "[offset 0] ..."])
    'Found an empty AOF manifest'
    """
    warnings = [line.partition(" # ")[2] for line in said if " # " in line]
    return (warnings or said)[-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
