"""Room that runs short is told before there is none."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client import generate_latest
from typer.testing import CliRunner

from energy_platform.cli import app
from energy_platform.operations.alerts.conditions import Trouble, of_disks
from energy_platform.operations.alerts.incidents import Told
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.disk_space import DiskSpace, disk_spaces
from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import Settings, settings

pytestmark = pytest.mark.usefixtures("example_known")

GIB = 2**30


class Usage(NamedTuple):
    """What `shutil.disk_usage` says."""

    total: int
    used: int
    free: int


def with_free(monkeypatch: pytest.MonkeyPatch, free: int, total: int = 500 * GIB) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(total, total - free, free))


@pytest.mark.parametrize(
    ("free", "total", "short"),
    [
        (19 * GIB, 500 * GIB, True),
        (21 * GIB, 500 * GIB, False),
        (4 * GIB, 50 * GIB, True),
        (6 * GIB, 50 * GIB, False),
    ],
)
def test_when_room_is_short(free: int, total: int, *, short: bool) -> None:
    space = DiskSpace(Path("/home"), free, total)
    assert space.is_short == short
    assert len(of_disks([space])) == short


def test_a_disk_that_fills_is_told_once_and_again_when_there_is_room(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> list[tuple[str, Told]]:
        _, news = look(settings(), platform_batches)
        return [(one.text, one.told) for one in news if "disk" in one.text]

    with_free(monkeypatch, 30 * GIB)
    assert told() == []
    with_free(monkeypatch, 15 * GIB)
    [(text, state)] = told()
    assert state is Told.OPENED
    assert f"15.0 of 500 GiB are free for {settings().home.absolute()}" in text
    assert told() == []


def test_a_landing_zone_on_the_same_disk_is_told_with_the_home(tmp_path: Path) -> None:
    apart = tmp_path / "landing zone"
    apart.mkdir()
    found = disk_spaces(Settings(home=tmp_path, landing=str(apart)))
    assert [space.folder for space in found] == [tmp_path]
    assert found[0].total_bytes >= found[0].free_bytes > 0
    in_a_bucket = disk_spaces(Settings(home=tmp_path, landing="gs://bucket/prefix"))
    assert [space.folder for space in in_a_bucket] == [tmp_path]


def test_the_condition_names_the_disk() -> None:
    [one] = of_disks([DiskSpace(Path("/home"), 0, 100 * GIB)])
    assert one.trouble is Trouble.DISK
    assert one.key == "disk:/home"


def test_metrics_tell_the_files_that_fit_and_the_memory_that_is_left() -> None:
    spaces = [DiskSpace(Path("/home"), 5, 10, free_files=7, total_files=9)]
    spaces += [DiskSpace(Path("/without"), 5, 10)]
    metrics = PlatformMetrics(lambda: (), lambda: (), lambda: spaces)
    told = {
        (sample.name.removeprefix("energy_platform_"), sample.labels.get("folder")): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }
    assert told["disk_free_files", "/home"] == 7
    assert ("disk_free_files", "/without") not in told
    assert told["memory_available_bytes", None] > 1e6


def test_metrics_and_status_tell_the_room(
    platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, 15 * GIB)
    disks = disk_spaces(settings())
    metrics = PlatformMetrics(lambda: (), lambda: (), lambda: disks)
    told = generate_latest(metrics.registry()).decode()
    label = f'energy_platform_disk_free_bytes{{folder="{settings().home.absolute()}"}} '
    assert float(told.partition(label)[2].partition("\n")[0]) == 15 * GIB
    said = CliRunner().invoke(app, ["status"]).output
    assert "The disk is nearly full: 15.0 of 500 GiB are free" in " ".join(said.split())
    found = json.loads(CliRunner().invoke(app, ["status", "--json"]).output)
    assert [disk["free_bytes"] for disk in found["disks"]] == [15 * GIB]
