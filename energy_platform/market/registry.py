"""Finds the market sources: every `MarketSource` value in a module of `energy_platform.sources`.

There is no central list: a new file in that folder is a new source. A file that can't be imported,
or that defines a source wrongly, is broken: it is reported by name with the reason, and all other
sources work.
"""

import importlib
import logging
import pkgutil
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from energy_platform.errors import (
    EXTRAS,
    MissingExtraError,
    SourceDefinitionError,
    UnknownSourceError,
)
from energy_platform.market.source import MarketSource

_log = logging.getLogger(__name__)

_SOURCES: Final = "energy_platform.sources"
"""A name and not an import, because this package is below the sources."""
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_REASON_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class BrokenSource:
    """A file in the folder of sources that fails to define one.

    Attributes:
        name: The module's name, which would be the source's name.
        place: The file, and the line of the error if it is known.
        reason: What is wrong, in one line; for a wrong definition, the field and its correction.
    """

    name: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of the folder of sources, each by name in alphabetical order."""

    sources: Mapping[str, MarketSource]
    broken: tuple[BrokenSource, ...]


def market_sources() -> Mapping[str, MarketSource]:
    """Return every market source by name, in alphabetical order."""
    return found_sources().sources


def broken_sources() -> tuple[BrokenSource, ...]:
    """Return the broken files of the folder."""
    return found_sources().broken


def unbroken(names: Iterable[str]) -> list[MarketSource]:
    """Return the sources with these names, in alphabetical order, without broken ones."""
    return [market_sources()[name] for name in sorted(names) if name in market_sources()]


def market_source(name: str) -> MarketSource:
    """Return the market source of this name.

    Raises:
        UnknownSourceError: There is no such source; the message names similar ones, or says what is
            wrong with its file.
    """
    known = market_sources()
    if name in known:
        return known[name]
    for broken in broken_sources():
        if broken.name == name:
            raise UnknownSourceError(f"source {name} is broken: {broken}")
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see `energy-platform catalog`"
    raise UnknownSourceError(f"unknown source {name!r}; {hint}")


@cache
def found_sources() -> Found:
    """Import every module of the folder; log a broken one, once in each process.

    Raises:
        MissingExtraError: The `feeds` extra is not installed, so no source can be imported.
    """
    files = _source_files()
    defined: list[tuple[str, MarketSource]] = []
    broken: list[BrokenSource] = []
    for module, file in files.items():
        try:
            defined += [(module, source) for source in _defined_in(module)]
        except ModuleNotFoundError as error:
            if EXTRAS.get((error.name or "").partition(".")[0]) == "feeds":
                raise MissingExtraError.of(error) from error
            broken.append(BrokenSource(module, _place(file, error), _reason(error)))
        except Exception as error:  # noqa: BLE001 (a source's module may raise anything)
            broken.append(BrokenSource(module, _place(file, error), _reason(error)))
    sources: dict[str, MarketSource] = {}
    # The file that defines a source comes before files that only import it.
    for module, source in sorted(defined, key=lambda one: not _is_home_of(*one)):
        known = sources.get(source.name)
        if known is source:
            continue
        if known is None and _is_home_of(module, source):
            sources[source.name] = source
            continue
        broken.append(BrokenSource(module, _shown(files[module]), _misnamed(module, source)))
    for one in broken:
        _log.error("a market source is left out: %s", one)
    return Found(MappingProxyType(dict(sorted(sources.items()))), tuple(broken))


def _source_files() -> dict[str, Path]:
    """Return the modules of the folder and their files; names of helpers begin with _."""
    folder = importlib.import_module(_SOURCES).__path__
    found = {}
    for module in pkgutil.iter_modules(folder):
        spec = module.module_finder.find_spec(module.name, None)
        if spec is not None and spec.origin is not None and not module.name.startswith("_"):
            found[module.name] = Path(spec.origin)
    return dict(sorted(found.items()))


def _defined_in(module: str) -> list[MarketSource]:
    values = vars(importlib.import_module(f"{_SOURCES}.{module}")).values()
    sources = {id(value): value for value in values if isinstance(value, MarketSource)}
    if not sources:
        raise SourceDefinitionError(
            "defines no market source; bind a MarketSource to a name of the module, or begin the"
            " file's name with _ if it only helps others"
        )
    return list(sources.values())


def _is_home_of(module: str, source: MarketSource) -> bool:
    return source.name == module or source.name.startswith(f"{module}_")


def _misnamed(module: str, source: MarketSource) -> str:
    if _is_home_of(module, source):
        return f"name: two sources are named {source.name!r}; choose another name for one"
    return (
        f"name: {source.name!r} is not its file's; name it {module!r}, or the file {source.name}.py"
    )


def _place(file: Path, error: Exception) -> str:
    """Return the file of an error, and the line if it is known."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == file
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == file:
        lines.append(error.lineno)
    return f"{_shown(file)}:{lines[-1]}" if lines else _shown(file)


def _shown(file: Path) -> str:
    return str(file.relative_to(_CHECKOUT) if file.is_relative_to(_CHECKOUT) else file)


def _reason(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    kind = "" if isinstance(error, SourceDefinitionError) else f"{type(error).__name__}: "
    return (kind + " ".join(text.split()))[:_REASON_CHARACTERS]
