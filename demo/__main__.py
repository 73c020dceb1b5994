"""The command that makes a demo: `python -m demo FOLDER`."""

import fcntl
import json
import logging
import shutil
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from demo.making import Making, make
from energy_platform.reading.demo import MADE

_SEED: Final = 7
"""That of the simulator of `make up`."""


def main(
    folder: Annotated[Path, typer.Argument(help="Where the demo is to be.")],
    *,
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day after the last.")],
) -> None:
    """Make a demo, unless it is there; a half-made one is made anew.

    It is made in a folder beside, and renamed in the end, so that a folder of this name is whole.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_made = folder.with_name(f"{folder.name}.making")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process makes it: wait
        if (folder / MADE).exists():
            return
        shutil.rmtree(half_made, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        _make(half_made, days, end.date())
        half_made.rename(folder)


def _make(home: Path, days: int, end: date) -> None:
    began = time.monotonic()
    home.mkdir()
    world = home / "world"
    making = Making(home=home, world=world, seed=_SEED, days=days, end=end)
    made = make(making, lambda source, rows: _say(f"{source}: {rows:,} rows"))
    shutil.rmtree(world)
    seconds = time.monotonic() - began
    told = {
        "days": days,
        "end": f"{end}",
        "seed": _SEED,
        "seconds": round(seconds, 1),
        "rows": made,
    }
    (home / MADE).write_text(json.dumps(told, indent=2))
    _say(f"{sum(made.values()):,} rows of {len(made)} sources in {seconds:.0f} s")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    typer.run(main)
