"""A demo: a platform with a past of the simulated world, made on this machine when first asked for.

What a demo holds, and how it is made, is in the package `demo` of a checkout, which the library
does not import: it starts that package as a process, and opens the home that it has made.
"""

import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from energy_platform.errors import DemoError
from energy_platform.pipeline.code_digest import code_digest
from energy_platform.reading.platform import Platform, connect
from energy_platform.settings import current_settings

END: Final = date(2026, 11, 15)
"""The day after the last one of a demo; the autumn change of the clocks lies before it."""
_MAKES: Final = ("demo", "simulator")
"""The packages of a checkout on which a demo depends: what they make anew has another name."""
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
MADE: Final = "made.json"
"""The file of a demo that is whole."""


def demo(*, days: int | None = None, end: date = END, folder: str | Path | None = None) -> Platform:
    """Return a demo: a platform with months of one simulated world, and an honest past.

    The first call makes it, which takes some minutes; later calls open what is there. A demo
    holds `days` local days before `end`, and up to a week around both changes of the clocks. All
    rows were received when the market published them, forecasts in several issues and revisions
    later, so any question as of an instant can be asked.

    Args:
        days: How many days; unless given, as many as `ENERGY_PLATFORM_DEMO_DAYS` says, 90 by
            default.
        end: The day after the last one.
        folder: Where demos are kept, each in a folder of its own; unless given, in
            `ENERGY_PLATFORM_DEMO`, or `demo` below the environment's home.

    Returns:
        A platform, as `connect` returns it.

    Raises:
        DemoError: The package that makes demos is not installed, or could not make one.

    >>> desk = demo()  # doctest: +SKIP
    >>> desk.load("entsoe_day_ahead_price", day="2026-11-14", zone="CET")  # doctest: +SKIP
    """
    said = current_settings()
    days = said.demo_days if days is None else days
    kept = Path(folder or said.demo or said.home / "demo").absolute()
    home = kept / f"{days}_days_to_{end}_{_made_by()}"
    if not (home / MADE).exists():
        _make(home, days, end)
    return connect(home)


def _make(home: Path, days: int, end: date) -> None:
    """Have a demo made, in a process of its own, which says on standard error how far it is."""
    command = [sys.executable, "-m", "demo", str(home), "--days", str(days), "--end", str(end)]
    if subprocess.run(command, cwd=_CHECKOUT, check=False).returncode:  # noqa: S603 (our own module)
        raise DemoError(f"the demo could not be made: {' '.join(command)} failed")


@cache
def _made_by() -> str:
    """Return what tells one version of the world and of what makes demos from another.

    Raises:
        DemoError: This is no checkout.
    """
    if not all((_CHECKOUT / package / "__init__.py").exists() for package in _MAKES):
        raise DemoError(
            "a demo is made by a checkout of the platform, and this is an installed package; "
            "run `make demo` in a checkout, and `connect` to the folder that it prints"
        )
    return code_digest(_CHECKOUT, _MAKES)[:8]
