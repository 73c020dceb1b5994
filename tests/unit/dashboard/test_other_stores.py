"""InfluxDB and Pub/Sub behind the dashboard: the same answers, and the same changes on the page."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import pytest

from energy_platform.dashboard.intraday import BOOK
from tests.support import influx_server, pubsub_emulator
from tests.support.dashboard import Desk, Page
from tests.support.influx_server import InfluxProcess, influx_process
from tests.support.pubsub_emulator import PubSubEmulator

SOURCE, FREQUENCY, PRICES = "ceps_load", "energy_charts_frequency", "entsoe_day_ahead_price"
QUARTER = timedelta(minutes=15)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FIRST, SECOND = NOW - timedelta(hours=3), NOW - timedelta(hours=1)
"""When a value was known, and when its revision was."""
LADDER = "book:DE-LU:NX_1"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxProcess]:
    if not influx_server.is_installed():
        pytest.skip(influx_server.MISSING)
    with influx_process(tmp_path_factory.mktemp("influxdb")) as process:
        yield process


@pytest.fixture(scope="module")
def emulator() -> Iterator[PubSubEmulator]:
    if not pubsub_emulator.is_installed():
        pytest.skip(pubsub_emulator.MISSING)
    with PubSubEmulator() as running:
        yield running


@pytest.fixture(params=["influxdb", "pubsub"])
def other(request: pytest.FixtureRequest, home: Path) -> Iterator[Desk]:
    """A desk over one store or bus that is not the platform's own."""
    if request.param == "influxdb":
        server: InfluxProcess = request.getfixturevalue("influx")
        stores = {"hot_store": "influxdb", "influxdb_url": server.url, "influxdb_api": "v1",
                  "influxdb_bucket": f"db_{uuid4().hex}"}  # fmt: skip
    else:
        running: PubSubEmulator = request.getfixturevalue("emulator")
        stores = {"live_bus": f"pubsub://energy/desk-{uuid4().hex}-",
                  "pubsub_emulator": running.address}  # fmt: skip
    with closing(Desk(home, stores=stores)) as served:
        yield served


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Desk]:
    """A desk over the platform's own stores."""
    with closing(Desk(tmp_path / "own")) as served:
        yield served


def load(mw: float, at: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        {"delivery_start": [at], "delivery_end": [at + QUARTER], "load_mw": [mw],
         "load_including_pumping_mw": [mw + 1]}
    )  # fmt: skip


def prices(values: list[float]) -> pl.DataFrame:
    starts = [NOW + number * QUARTER for number in range(len(values))]
    return pl.DataFrame(
        {"delivery_start": starts, "delivery_end": [one + QUARTER for one in starts],
         "bidding_zone": "DE-LU", "auction_sequence": "1", "resolution": "PT15M",
         "price_eur_per_mwh": values}
    )  # fmt: skip


def fill(desk: Desk) -> None:
    """Let the same values be known at the same moments."""
    for number in range(4):
        desk.store(SOURCE, load(50.0 + number, NOW - number * QUARTER), received_at=FIRST)
    desk.store(SOURCE, load(99.0, NOW - QUARTER), received_at=SECOND)
    desk.store(PRICES, prices([10.0, 20.0]), received_at=FIRST)
    desk.store(PRICES, prices([30.0, 20.0]), received_at=SECOND)


def answers(desk: Desk) -> dict[str, Any]:
    """Return what the API answers about them: ranges and latest values, of now and as of then."""
    then = (SECOND - timedelta(minutes=1)).isoformat()
    span = {"start": (NOW - timedelta(hours=2)).isoformat(),
            "end": (NOW + timedelta(hours=2)).isoformat()}  # fmt: skip
    asked: dict[str, tuple[str, dict[str, str]]] = {}
    for source in (SOURCE, PRICES):
        asked |= {
            f"range {source}": (f"/api/range/{source}", span),
            f"range {source} then": (f"/api/range/{source}", span | {"as_of": then}),
            f"latest {source}": (f"/api/latest/{source}", {}),
            f"latest {source} then": (f"/api/latest/{source}", {"as_of": then}),
        }
    found = {}
    for name, (path, query) in asked.items():
        answer = desk.get(path, **query)
        assert answer.status_code == 200, answer.text
        found[name] = answer.json()["rows"]
    return found


def shown(desk: Desk) -> dict[str, Any]:
    """Return the rows of topics, as a page has them."""
    topics = [f"source:{SOURCE}", f"source:{PRICES}"]
    with desk.page(**dict.fromkeys(topics)) as page:
        page.until(lambda: all(page.rows.get(topic) for topic in topics))
        return {topic: page.rows[topic] for topic in topics}


def test_api_and_topics_say_what_they_say_over_the_platforms_own_stores(
    own: Desk, other: Desk
) -> None:
    for desk in (own, other):
        fill(desk)
    assert answers(other) == answers(own)
    assert shown(other) == shown(own)
    [then] = [row["load_mw"] for row in answers(other)[f"range {SOURCE} then"]
              if row["load_mw"] in {51.0, 99.0}]  # fmt: skip
    assert then == 51.0


def frequency(page: Page) -> list[float]:
    return [row["frequency_hz"] for row in page.rows.get("frequency:CE", {}).values()]


def ladder(page: Page) -> list[tuple[str, float]]:
    return [(row["side"], row["volume_mw"]) for row in page.rows.get(LADDER, {}).values()]


def send_order(desk: Desk, revision: int, mw: int) -> None:
    now = datetime.now(UTC).isoformat()
    order = {"orderId": "a", "price": 4900, "qty": mw * 1000, "updatedAt": now, "deleted": False}
    row = {"contractId": "NX_1", "deliveryAreaId": 23, "revisionNo": revision, "updatedAt": now,
           "buyOrders": [order], "sellOrders": []}  # fmt: skip
    desk.receive(BOOK, [row], snapshot=str(revision == 1).lower())


def test_changes_reach_the_page(other: Desk) -> None:
    now = int(datetime.now(UTC).timestamp())

    def send_frequency(second: int, hz: float) -> None:
        document = {"unix_seconds": [now + second], "data": [hz], "deprecated": False}
        other.receive(FREQUENCY, document, region="DE-Freiburg")

    send_frequency(-9, 50.01)
    send_order(other, 1, 5)
    with other.page(**{"frequency:CE": None, LADDER: None}) as page:
        page.until(lambda: frequency(page) == [50.01] and ladder(page) == [("BUY", 5.0)])
        for number in range(1, 4):
            send_frequency(number - 9, 50.01 + number)
            send_order(other, number + 1, 5 + number)
            page.until(partial(lambda n: frequency(page)[-1:] == [50.01 + n], number))
            page.until(partial(lambda n: ladder(page) == [("BUY", 5.0 + n)], number))
        assert page.errors == {}
        assert not page.beats[-1]["behind"]
