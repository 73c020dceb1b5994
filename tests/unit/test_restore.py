"""A platform is restored from what docs/deploy.md says to back up: the landing zone.

Its copy is taken while messages land and are merged, as a backup of a running platform is.
"""

import errno
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.storage.landing.log import MERGED_KEPT
from tests.support.sources import EXAMPLE, an_eventful_log
from tests.support.stores import (
    assert_same,
    batches_in,
    hot,
    land,
    quarantined,
    run_all,
    stored,
)
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parent.parent / "testcases"
SOURCES = ("entsoe_day_ahead_price", "nord_pool_intraday_trade", "noaa_gfs_wind_forecast")
"""A REST source with revisions, a stream, and a model whose messages are binary."""


def back_up(home: Path, to: Path) -> None:
    """Copy the landing zone twice: the second pass brings what came or was merged meanwhile.

    A file that is gone when its turn comes is passed over, as tools that copy a running system do.
    """
    for _ in range(2):
        try:
            shutil.copytree(home / "landing", to / "landing", dirs_exist_ok=True)
        except shutil.Error as error:
            [failures] = error.args
            if not all(os.strerror(errno.ENOENT) in why for _, _, why in failures):
                raise


def test_all_tables_come_back_from_the_landing_zone_alone(tmp_path: Path) -> None:
    lost, found = batches_in(tmp_path / "lost"), batches_in(tmp_path / "found")
    land(lost, an_eventful_log(60))
    run_all(lost)
    back_up(tmp_path / "lost", tmp_path / "found")
    run_all(found)
    assert stored(found).height > 0
    assert quarantined(found).height > 0
    assert_same(found, lost)


@pytest.mark.parametrize("name", SOURCES)
def test_each_row_was_known_when_it_was_known(name: str, tmp_path: Path) -> None:
    source = market_source(name)
    [case, *_] = sorted(one for one in (TESTCASES / name).iterdir() if one.is_dir())
    lost, found = batches_in(tmp_path / "lost"), batches_in(tmp_path / "found")
    land(lost, case_messages(source, case), source=source)
    run_all(lost, source)
    back_up(tmp_path / "lost", tmp_path / "found")
    run_all(found, source)
    assert stored(lost, source).height > 0
    assert_frame_equal(stored(found, source), stored(lost, source))
    assert_frame_equal(hot(found, source), hot(lost, source))


def test_a_copy_of_a_running_zone_has_all_that_had_landed(tmp_path: Path) -> None:
    lost = batches_in(tmp_path / "lost")
    writer = lost.landing.writer(EXAMPLE.name)
    now = datetime.now(UTC) - 4 * MERGED_KEPT
    ended = threading.Event()

    def message(number: int) -> RawMessage:
        at = now + timedelta(seconds=number)
        return RawMessage(body=f"{number}".encode(), received_at=at, context={})

    def land_and_merge() -> None:
        number = writer.end_offset
        while not ended.is_set():
            writer.append([message(number)], cursor=None)
            number += 1
            if number % 50 == 0:
                lost.landing.merge(EXAMPLE.name, now=datetime.now(UTC))

    for number in range(400):
        writer.append([message(number)], cursor=None)
    landing = threading.Thread(target=land_and_merge)
    landing.start()
    try:
        before = writer.end_offset
        back_up(tmp_path / "lost", tmp_path / "found")
    finally:
        ended.set()
        landing.join()
    log = batches_in(tmp_path / "found").landing.log(EXAMPLE.name)
    assert log.end_offset() >= before
    found = log.read(0, before)
    assert [one.body for one in found] == [f"{number}".encode() for number in range(before)]
