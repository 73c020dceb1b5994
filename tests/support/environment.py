"""A process environment for one test: the platform's home, and the caches to forget."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from energy_platform import sources
from energy_platform.market import registry
from energy_platform.pipeline import stores
from energy_platform.settings import settings
from energy_platform.storage import postgres

_CACHED = (settings, stores.micro_batches, registry.found_sources)

UNUSUAL_HOME = "Grüße #1, 100 %?"
"""A folder's name with characters that are special in URLs, SQL, configuration files and shells."""

EXAMPLE_MODULE = "from tests.support.sources import EXAMPLE\n"
"""The text of a source module that makes the example source known."""


@contextmanager
def home_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make `folder` the platform's home, whatever this machine's environment says.

    Its hot store keeps points for good, so that it holds the fixed instants of any test.
    """
    for variable in os.environ:
        if variable.startswith("ENERGY_PLATFORM_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(folder))
    monkeypatch.setenv("ENERGY_PLATFORM_HOT_DAYS", "36500")
    forget_cached()
    yield folder
    forget_cached()


@contextmanager
def state_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process's settings name a database; its connections are closed in the end."""
    monkeypatch.setenv("ENERGY_PLATFORM_STATE_URL", url)
    forget_cached()
    yield
    close_connections(url)


def close_connections(url: str) -> None:
    """Close this process's connections to a database, as its end does."""
    for place in [one for one in postgres._engines if one[1] == url]:
        postgres._engines.pop(place).dispose()


def forget_cached() -> None:
    """Make settings, stores and sources be read again."""
    for cached in _CACHED:
        cached.cache_clear()


def add_source_module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module beside those of `energy_platform.sources`, as a contributor would."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    if str(folder) not in sources.__path__:
        monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
    registry.found_sources.cache_clear()
