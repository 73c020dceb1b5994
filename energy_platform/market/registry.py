"""Finds the market sources: every `MarketSource` value in a module of `energy_platform.sources`.

No list is kept: a new file in that folder is a new source.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Final

from energy_platform.errors import UnknownSourceError
from energy_platform.market.source import MarketSource

_SOURCES: Final = "energy_platform.sources"
"""By name: the contract's floor is below that of the sources, and imports none of them."""


@cache
def market_sources() -> Mapping[str, MarketSource]:
    """Return every market source by name, in alphabetical order."""
    found: dict[str, MarketSource] = {}
    folder = importlib.import_module(_SOURCES).__path__
    for module_info in pkgutil.iter_modules(folder, f"{_SOURCES}."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            if isinstance(value, MarketSource) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two market sources are named {value.name}")
    return MappingProxyType(dict(sorted(found.items())))


def market_source(name: str) -> MarketSource:
    """Return the market source of this name.

    Raises:
        UnknownSourceError: There is none; the message names the nearest ones.
    """
    known = market_sources()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see `energy-platform catalog`"
    raise UnknownSourceError(f"unknown source {name!r}; {hint}")
