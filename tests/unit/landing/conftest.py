"""The places where a landing zone can be: a folder, memory, and Cloud Storage in a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import GCSStore, LocalStore, MemoryStore, ObjectStore

from energy_platform.storage.landing import LandingZone
from tests.support.cloud_storage_server import CloudStorageServer, cloud_storage_server


@pytest.fixture(scope="session")
def cloud_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStorageServer]:
    """Cloud Storage for all tests of this process."""
    with cloud_storage_server(tmp_path_factory.mktemp("cloud_storage")) as server:
        yield server


@pytest.fixture
def cloud_url(cloud_storage: CloudStorageServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty landing zone in Cloud Storage, for this process and its children."""
    for variable, value in cloud_storage.environment.items():
        monkeypatch.setenv(variable, value)
    return cloud_storage.new_url()


@pytest.fixture(params=["folder", "memory", "cloud storage"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """The folder or bucket of a test's landing zone."""
    if request.param == "folder":
        return LocalStore(tmp_path)
    if request.param == "memory":
        return MemoryStore()
    return GCSStore.from_url(request.getfixturevalue("cloud_url"))


@pytest.fixture
def zone(store: ObjectStore) -> LandingZone:
    """An empty landing zone."""
    return LandingZone(store)


@pytest.fixture(params=["folder", "cloud storage"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a landing zone that several processes share."""
    if request.param == "folder":
        return tmp_path.as_uri()
    return str(request.getfixturevalue("cloud_url"))
