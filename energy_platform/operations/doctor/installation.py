"""Checks of Python's packages and of what Python needs from the system."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from energy_platform.operations.doctor.finding import Finding, Patient, note, wrong
from energy_platform.operations.supervision.plan import PROJECT

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_OF_THE_SYSTEM: Final = frozenset({"pip"})
"""Packages that install the others, and are often older."""
_ZONES: Final = ("Europe/Berlin", "Europe/London", "Europe/Prague", "Europe/Lisbon")
"""Zones of delivery days; whoever has these has them all."""


def pinned(lock: Path) -> Mapping[str, frozenset[str]]:
    """Return the versions of each package that a lock allows; none if there is no lock."""
    if not lock.exists():
        return {}
    found: dict[str, frozenset[str]] = {}
    for name, one in _PINNED.findall(lock.read_text("utf-8")):
        found[name] = found.get(name, frozenset()) | {one}
    return found


def packages(_: Patient, lock: Path = PROJECT / "requirements.lock") -> Iterator[Finding]:
    """Yield that installed packages have other versions than those that are tested together."""
    others = [
        f"{name} {have}, not {' or '.join(sorted(allowed))}"
        for name, allowed in pinned(lock).items()
        if name not in _OF_THE_SYSTEM
        and (have := _installed(name)) is not None
        and have not in allowed
    ]
    if others:
        more = f", and {len(others) - 5} more" if len(others) > 5 else ""  # noqa: PLR2004
        yield note(
            f"{len(others)} packages differ from {lock.name}: {'; '.join(others[:5])}{more}",
            "make up brings the environment up to date; if it does not, delete .venv before",
        )


def time_zones(_: Patient) -> Iterator[Finding]:
    """Yield that Python knows no time zones, so that delivery days can't be told."""
    try:
        for zone in _ZONES:
            ZoneInfo(zone)
    except ZoneInfoNotFoundError as error:
        yield wrong(
            f"time zones are missing: {error.args[0]}",
            "install them: pip install tzdata, or the system's package tzdata",
        )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
