"""Finds signals: every `Signal` in a module of `energy_platform.signals.desk`, or in a file."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType

from energy_platform.errors import UsageError
from energy_platform.signals import desk
from energy_platform.signals.signal import Signal


@cache
def signals() -> Mapping[str, Signal]:
    """Return the desk's signals by name."""
    found: dict[str, Signal] = {}
    for module in sorted(one.name for one in pkgutil.iter_modules(desk.__path__)):
        found |= _defined(importlib.import_module(f"{desk.__name__}.{module}"))
    return found


def signal(name: str) -> Signal:
    """Return a signal by its name, or the one that a Python file defines.

    Raises:
        UsageError: There is none, or the file does not define one alone.
    """
    if name.endswith(".py"):
        return _of_file(Path(name))
    if name in signals():
        return signals()[name]
    near = get_close_matches(name, signals(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(signals())}"
    raise UsageError(f"there is no signal {name!r}; {hint}")


def _of_file(file: Path) -> Signal:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = {name: one for name, one in _defined(module).items() if name not in signals()}
    if len(own) != 1:
        raise UsageError(f"{file} defines {len(own)} signals of its own; it takes one")
    return next(iter(own.values()))


def _defined(module: ModuleType) -> dict[str, Signal]:
    return {one.name: one for one in vars(module).values() if isinstance(one, Signal)}
