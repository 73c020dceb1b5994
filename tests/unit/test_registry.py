"""Sources are found where they lie, and each name means one of them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform.errors import UnknownSourceError
from energy_platform.market.registry import market_source, market_sources
from tests.support.environment import EXAMPLE_MODULE, add_source_module, forget_cached
from tests.support.sources import EXAMPLE

MODULES = ("example_price", "another_example")


@pytest.fixture(autouse=True)
def _forgotten_afterwards() -> Iterator[None]:
    yield
    forget_cached()
    for name in MODULES:
        sys.modules.pop(f"energy_platform.sources.{name}", None)


def test_a_new_file_is_a_new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "example_price" not in market_sources()
    add_source_module(tmp_path, "example_price", EXAMPLE_MODULE, monkeypatch)
    assert market_source("example_price") is EXAMPLE
    assert list(market_sources()) == sorted(market_sources())


def test_a_module_may_hold_several_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from dataclasses import replace\n" + EXAMPLE_MODULE
    text += "SECOND = replace(EXAMPLE, name='example_price_2')\n"
    add_source_module(tmp_path, "example_price", text, monkeypatch)
    assert {"example_price", "example_price_2"} <= set(market_sources())


def test_a_source_that_two_modules_name_is_one_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MODULES:
        add_source_module(tmp_path, name, EXAMPLE_MODULE, monkeypatch)
    assert market_source("example_price") is EXAMPLE


def test_two_sources_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_source_module(tmp_path, "example_price", EXAMPLE_MODULE, monkeypatch)
    text = "from dataclasses import replace\nfrom tests.support import sources\n"
    text += "COPY = replace(sources.EXAMPLE)\n"
    add_source_module(tmp_path, "another_example", text, monkeypatch)
    with pytest.raises(ValueError, match="two market sources are named example_price"):
        market_sources()


def test_the_registry_can_not_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        market_sources()["new"] = EXAMPLE  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ote_day_ahead_prices", "did you mean ote_day_ahead_price?"),
        ("zzz", "see `energy-platform catalog`"),
        ("", "see `energy-platform catalog`"),
    ],
)
def test_an_unknown_name_is_told_what_is_near(name: str, hint: str) -> None:
    with pytest.raises(UnknownSourceError) as raised:
        market_source(name)
    assert str(raised.value) == f"unknown source {name!r}; {hint}"
