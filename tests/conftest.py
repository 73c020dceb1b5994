"""Fixtures that tests of several packages share."""

import asyncio
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
import stamina
from pydantic import SecretStr

from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import StatePlace
from tests.support import pubsub_emulator
from tests.support.effort import examples
from tests.support.environment import (
    EXAMPLE_MODULE,
    UNUSUAL_HOME,
    add_source_module,
    close_connections,
    home_at,
    state_at,
)
from tests.support.postgres_server import (
    MISSING,
    PostgresServer,
    postgres_folder,
    postgres_server,
)

# The time of an example depends more on the machine's load than on the code.
hypothesis.settings.register_profile("patient", deadline=None, max_examples=examples(50))
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as nightly what is slow with one kind of store and runs by day with another."""
    for item in items:
        for marker in item.iter_markers("nightly_on"):
            if isinstance(item, pytest.Function) and set(marker.args) & set(_parameters(item)):
                item.add_marker("nightly")


def _parameters(item: pytest.Function) -> list[str]:
    return item.callspec.id.split("-") if hasattr(item, "callspec") else []


@pytest.fixture(autouse=True)
def polars_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which polars' engine warned: it swallows a warning that is an error."""
    raised: list[Warning] = []

    def warn(message: str, category: type[Warning], stacklevel: int) -> None:
        try:
            warnings.warn(message, category, stacklevel + 1)
        except Warning as error:
            raised.append(error)
            raise

    monkeypatch.setattr("polars._warnings.warnings", SimpleNamespace(warn=warn))
    yield
    assert not raised


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home folder that this process's settings name, with an unusual name."""
    with home_at(tmp_path / UNUSUAL_HOME, monkeypatch) as folder:
        yield folder


@pytest.fixture
def example_known(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the example source one of the platform's, found like all others."""
    add_source_module(tmp_path / "sources", "example_price", EXAMPLE_MODULE, monkeypatch)
    yield
    sys.modules.pop("energy_platform.sources.example_price", None)


@pytest.fixture
def without_waiting() -> Iterator[None]:
    """Retry at once, without pauses, ten times at most."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def platform_batches(home: Path) -> MicroBatches:
    """The stores of this home, as every process of the platform opens them."""
    return micro_batches()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres that all tests of one worker share, each in a database of its own."""
    if postgres_folder() is None:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


@pytest.fixture
def state_url(
    postgres: PostgresServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an empty database, which this process's settings name."""
    url = postgres.url(postgres.new_database())
    with state_at(url, monkeypatch):
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StatePlace]:
    """A home whose state is in files, and one whose state is in a database."""
    if request.param == "sqlite":
        yield StatePlace(tmp_path / "home")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(server.new_database())
        yield StatePlace(tmp_path / "home", SecretStr(url))
        close_connections(url)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record every pause of this test's thread instead of waiting, with jitter at its longest.

    Loops of other threads, such as a server's, pause as ever.
    """
    asked: list[float] = []
    sleep, own = asyncio.sleep, threading.get_ident()

    async def record(seconds: float) -> None:
        if threading.get_ident() == own:
            asked.append(seconds)
        await sleep(0 if threading.get_ident() == own else seconds)

    monkeypatch.setattr(asyncio, "sleep", record)
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    return asked


@pytest.fixture(scope="session")
def emulator() -> Iterator[pubsub_emulator.PubSubEmulator]:
    """Google's Pub/Sub emulator."""
    if not pubsub_emulator.is_installed():
        pytest.skip(pubsub_emulator.MISSING)
    with pubsub_emulator.PubSubEmulator() as running:
        yield running
