"""Hot stores to test: a file, and a database of this worker's own InfluxDB."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from energy_platform.storage.hot_store.influxdb.store import InfluxHotStore
from energy_platform.storage.hot_store.protocol import HotStore
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from tests.support.influx_server import MISSING, InfluxProcess, influx_process, is_installed


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxProcess]:
    """A server that all tests of one worker share, each in a database of its own."""
    if not is_installed():
        pytest.skip(MISSING)
    with influx_process(tmp_path_factory.mktemp("influxdb")) as process:
        yield process


@pytest.fixture
def influx_store(influx: InfluxProcess, tmp_path: Path) -> Iterator[InfluxHotStore]:
    """A hot store in a database of its own."""
    store = influx.store(f"db_{uuid4().hex}", locks=tmp_path / "locks")
    yield store
    store.close()


OpenAgain = Callable[[], HotStore]


@pytest.fixture(params=["sqlite", "influxdb"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenAgain]:
    """Open the same hot store again, as another process would."""
    opened: list[HotStore] = []
    if request.param == "sqlite":

        def store() -> HotStore:
            return SqliteHotStore(tmp_path / "new" / "hot.sqlite")
    else:
        server: InfluxProcess = request.getfixturevalue("influx")
        database = f"db_{uuid4().hex}"

        def store() -> HotStore:
            return server.store(database, locks=tmp_path / "locks")

    def keep() -> HotStore:
        opened.append(store())
        return opened[-1]

    yield keep
    for one in opened:
        one.close()


@pytest.fixture
def store(open_again: OpenAgain) -> HotStore:
    """A hot store of each system in turn."""
    return open_again()
