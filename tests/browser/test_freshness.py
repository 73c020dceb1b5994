"""How old, late, behind, revised and refused values look on a screen, over a server of its own."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest

from energy_platform.market.registry import market_source
from tests.support import influx_server
from tests.support.dashboard import Desk
from tests.support.influx_server import InfluxProcess, influx_process
from tests.support.screens import Screen

FREQUENCY, IMBALANCE = "elexon_frequency", "ceps_imbalance"
LIVE = "frequency-gb"
"""A panel whose newest values come over the live bus."""
RECOVERY_SECONDS = 120.0


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxProcess]:
    if not influx_server.is_installed():
        pytest.skip(influx_server.MISSING)
    with influx_process(tmp_path_factory.mktemp("influxdb")) as process:
        yield process


@pytest.fixture(scope="module")
def desk(desk_home: Path, influx: InfluxProcess) -> Iterator[Desk]:
    stores = {"hot_store": "influxdb", "influxdb_url": influx.url, "influxdb_api": "v1",
              "influxdb_bucket": f"db_{uuid4().hex}"}  # fmt: skip
    with closing(Desk(desk_home, stores=stores)) as served:
        yield served


def imbalance(mw: float, at: datetime) -> pl.DataFrame:
    dtypes = market_source(IMBALANCE).dtypes
    rows = pl.DataFrame(
        {
            "delivery_start": [at],
            "delivery_end": [at + timedelta(minutes=1)],
            "system_imbalance_mw": [mw],
        }
    )
    return rows.cast({name: dtypes[name] for name in rows.columns})


def minute(back: int) -> datetime:
    """Return the start of a minute, so many minutes ago."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=back)


def frequency(hz: float, at: datetime) -> pl.DataFrame:
    return pl.DataFrame({"observed_at": [at], "frequency_hz": [hz]})


def is_stale(screen: Screen, panel: str) -> bool:
    return "stale" in (screen.panel(panel).get_attribute("class") or "").split()


def late(screen: Screen, panel: str) -> list[str]:
    return screen.texts(f".panel-{panel} .late")


def test_a_late_source_dims_its_panel_by_name_until_it_returns(screen: Screen, desk: Desk) -> None:
    desk.store(IMBALANCE, imbalance(12.0, minute(90)))
    screen.open("balance")
    screen.until(lambda: late(screen, "imbalance-cz") == [f"▲ {IMBALANCE} late"])
    assert is_stale(screen, "imbalance-cz")
    age = screen.panel("imbalance-cz").locator(".age")
    assert age.is_visible()
    assert age.text_content() != ""
    # A source that never came is not late, and has no age.
    assert late(screen, "price-gb") == []
    assert screen.text(".panel-price-gb .age") == "nothing yet"
    desk.store(IMBALANCE, imbalance(13.0, minute(2)))
    screen.until(lambda: late(screen, "imbalance-cz") == [])
    assert not is_stale(screen, "imbalance-cz")
    screen.until(lambda: "13.0" in screen.text(".panel-imbalance-cz .value"))


def test_a_revised_and_a_refused_value_are_marked_in_a_chart(screen: Screen, desk: Desk) -> None:
    first, second = minute(8), minute(5)
    desk.store(IMBALANCE, imbalance(20.0, first))
    desk.store(IMBALANCE, imbalance(30.0, second))
    screen.open("balance")
    screen.until(lambda: any("30.0" in one for one in screen.readouts("imbalance-cz", 12)))
    desk.store(IMBALANCE, imbalance(21.0, first))
    screen.until(
        lambda: any("21.0 MW ↻ revised" in one for one in screen.readouts("imbalance-cz", 12))
    )
    # A batch of nothing but refused values leaves its rows as they were, and changes their marks.
    desk.refuse(IMBALANCE, imbalance(1e7, second))
    screen.until(
        lambda: any("30.0 MW ▲! quarantined" in one for one in screen.readouts("imbalance-cz", 12))
    )


def test_a_second_of_the_live_chart_that_is_revised_is_shown_and_marked(
    screen: Screen, desk: Desk
) -> None:
    first, second, third = minute(4), minute(3), minute(2)
    for at in (first, second, third):
        desk.store(FREQUENCY, frequency(50.01, at))
    screen.open("balance")
    screen.until(lambda: len(screen.lines(LIVE)) == 3)
    desk.show(FREQUENCY, frequency(49.87, second))
    screen.until(lambda: any("49.870 Hz ↻ revised" in one for one in screen.readouts(LIVE, 3)))


def test_a_hot_store_that_is_killed_is_told_and_nothing_false_is_shown(
    screen: Screen, desk: Desk, influx: InfluxProcess
) -> None:
    """Live values stand still meanwhile, so their panel says that they are behind."""
    desk.store(FREQUENCY, frequency(50.02, minute(1)))
    screen.open("balance")
    screen.until(lambda: screen.text(f".panel-{LIVE} .value") == "50.020 Hz")
    before = screen.lines(LIVE)
    influx.kill()
    screen.until(lambda: "the hot store does not answer" in screen.text(".troubles"))
    assert screen.link() == "BEHIND"
    screen.until(lambda: late(screen, LIVE) == [f"▲ {FREQUENCY} behind"])
    assert is_stale(screen, LIVE)
    assert screen.lines(LIVE) == before
    influx.start()
    screen.until(lambda: screen.link() == "LIVE", RECOVERY_SECONDS)
    screen.until(lambda: late(screen, LIVE) == [], RECOVERY_SECONDS)
    assert screen.page.locator(".panel.failed").count() == 0
    desk.store(FREQUENCY, frequency(49.98, minute(0)))
    screen.until(lambda: screen.text(f".panel-{LIVE} .value") == "49.980 Hz")
