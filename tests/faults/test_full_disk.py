"""A disk that is full: each store says so, and nothing is lost once there is room again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from energy_platform.operations.alerts.conditions import of_disks
from energy_platform.operations.disk_space import disk_spaces
from energy_platform.operations.status import SourceState, source_statuses
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import settings
from tests.support.environment import UNUSUAL_HOME, forget_cached, home_at
from tests.support.mounts import NoDiskError
from tests.support.small_disk import filled, small_disk
from tests.support.sources import EXAMPLE, prices, quote
from tests.support.stores import FOR_GOOD_DAYS, hot, run_all, show, stored

pytestmark = pytest.mark.usefixtures("example_known")
NO_ROOM = r"(?i)no space left|disk is full|os error 28"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "disk"):
            yield tmp_path / "disk"
    except NoDiskError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def home(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on the small disk, which this process's settings name."""
    with home_at(disk / UNUSUAL_HOME, monkeypatch) as folder:
        yield folder


def opened() -> MicroBatches:
    """Return the home's stores as a process opens them that has just begun."""
    forget_cached()
    return replace(micro_batches(), hot_days=FOR_GOOD_DAYS)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["goes on", "starts again"])
def test_nothing_is_lost_on_a_disk_that_was_full(
    disk: Path, home: Path, *, is_restarted: bool
) -> None:
    batches = opened()
    writer = batches.landing.writer(EXAMPLE.name)
    writer.append([quote(1.0, quarter=1)], "a")
    run_all(batches)
    writer.append([quote(2.0, quarter=2)], "b")
    with filled(disk):
        with pytest.raises(Exception, match=NO_ROOM):
            writer.append([quote(3.0, quarter=3)], "c")
        with pytest.raises(Exception, match=NO_ROOM):
            batches.run(EXAMPLE)
        with pytest.raises(Exception, match=NO_ROOM):
            show(batches)
        assert prices(stored(batches)) == [1.0]
        [said] = [one for one in source_statuses(settings(), opened()) if one.name == EXAMPLE.name]
        assert said.state is not SourceState.UNKNOWN
        assert (said.landed_offset, said.committed_offset, said.rows) == (2, 1, 1)
        [condition] = of_disks(disk_spaces(settings()))
        assert condition.subject == str(home)
        assert "nearly full" in condition.text
    if is_restarted:
        batches = opened()
        writer = batches.landing.writer(EXAMPLE.name)
    assert writer.cursor == "b", "the feed asks again for what did not land"
    writer.append([quote(3.0, quarter=3)], "c")
    run_all(batches)
    for rows in (stored(batches), hot(batches)):
        assert rows.sort("delivery_start")["price_eur_per_mwh"].to_list() == [1.0, 2.0, 3.0]
    assert stored(batches)["landing_offset"].to_list() == [0, 1, 2]
    assert list(batches.landing.log(EXAMPLE.name).damages(forgets=False)) == []
