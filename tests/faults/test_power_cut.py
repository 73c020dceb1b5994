"""A power cut in the middle of work: what was counted as done is there, and work goes on.

The disk is a real file system, which is shut down under a process that fills a home on it.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cut_disk import CutDisk, cut_disk
from tests.support.effort import examples
from tests.support.mounts import NoDiskError
from tests.support.sources import EXAMPLE, prices, quote
from tests.support.stores import batches_in, land, run_all, stored

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[CutDisk]:
    try:
        with cut_disk(tmp_path) as disk:
            yield disk
    except NoDiskError as reason:
        pytest.skip(str(reason))


def filled_until_the_cut(disk: CutDisk, acknowledged: int) -> dict[str, int]:
    """Fill a home on the disk, cut the disk off; return the offsets that counted as done."""
    done = {"landed": 0, "stored": 0}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.busy_home", str(disk.folder / "home")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            name, offset = line.split()
            done[name] = int(offset)
            if count == acknowledged:
                disk.cut()
                # It has a moment to say that it is done with what is no longer written.
                threading.Timer(0.5, process.kill).start()
    disk.restore()
    return done


@pytest.mark.parametrize("attempt", range(examples(2)))
def test_what_counted_as_done_is_there_after_a_power_cut(disk: CutDisk, attempt: int) -> None:
    done = filled_until_the_cut(disk, random.randrange(1, 60))
    batches = batches_in(disk.folder / "home")
    landed = batches.landing.log(EXAMPLE.name).end_offset(taken=done["stored"])
    assert landed >= done["landed"], "a message is gone that was landed"
    before = stored(batches)
    assert set(before["landing_offset"]) >= set(range(done["stored"])), "a row is gone"
    land(batches, [quote(444.0)])
    run_all(batches)
    run_all(batches_in(disk.folder / "home"))
    after = stored(batches)
    expected = [float(number) for number in range(done["landed"])]
    assert prices(after)[: len(expected)] == expected
    assert prices(after).count(444.0) == 1
    assert after["landing_offset"].is_unique().all(), "a row is stored twice"
