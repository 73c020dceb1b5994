"""The simulated Energy-Charts, asked over a real socket."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from simulator.faults import Fault, FaultKind
from simulator.providers.energy_charts import PROVIDER
from simulator.server import running
from simulator.world import Pace, World
from tests.support.feeds import a_world

MORNING = datetime(2025, 10, 25, 8, tzinfo=UTC)
BEFORE_THE_AUCTION = datetime(2025, 10, 25, 10, 44, tzinfo=UTC)
AFTER_THE_AUCTION = datetime(2025, 10, 25, 12, tzinfo=UTC)


@asynccontextmanager
async def served(world: World) -> AsyncIterator[httpx.AsyncClient]:
    base = f"{world.url}/energy_charts"
    async with running(world, [PROVIDER]), httpx.AsyncClient(base_url=base, timeout=60) as client:
        yield client


async def prices(client: httpx.AsyncClient, **params: str) -> httpx.Response:
    return await client.get("/price", params={"bzn": "DE-LU", **params})


async def test_a_price_reply_has_the_services_form(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        reply = (await prices(client, start="2025-10-25", end="2025-10-26")).json()
    assert set(reply) == {"license_info", "unix_seconds", "price", "unit", "deprecated"}
    assert reply["unit"] == "EUR / MWh"
    assert len(reply["unix_seconds"]) == len(reply["price"]) == 96
    assert reply["unix_seconds"][0] == datetime(2025, 10, 24, 22, tzinfo=UTC).timestamp()


async def test_tomorrow_is_absent_until_it_is_published(tmp_path: Path) -> None:
    async with served(a_world(tmp_path / "morning", origin=MORNING)) as client:
        before = await prices(client, start="2025-10-26", end="2025-10-26")
    async with served(a_world(tmp_path / "noon", origin=AFTER_THE_AUCTION)) as client:
        after = await prices(client, start="2025-10-26", end="2025-10-26")
    assert before.status_code == 404
    assert len(after.json()["price"]) == 100, "the day has 25 hours"


async def test_hourly_zones_stay_hourly(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        reply = (await client.get("/price", params={"bzn": "CH"})).json()
    assert len(reply["price"]) == 24


@pytest.mark.parametrize(
    ("params", "status"), [({"bzn": "GB"}, 400), ({"start": "yesterday"}, 422)]
)
async def test_bad_parameters_are_refused(
    tmp_path: Path, params: dict[str, str], status: int
) -> None:
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        assert (await client.get("/price", params=params)).status_code == status


async def test_a_burst_is_refused(tmp_path: Path) -> None:
    async with served(a_world(tmp_path, origin=MORNING)) as client:
        replies = [await prices(client) for _ in range(25)]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)


async def test_a_ban_refuses_every_route_until_it_is_over(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=MORNING)
    world.faults.ask("energy_charts_price", Fault(FaultKind.TOO_MANY_REQUESTS, seconds=60))
    async with served(world) as client:
        banned = await prices(client)
        also_banned = await client.get("/frequency", params={"region": "DE-Freiburg"})
    assert banned.status_code == also_banned.status_code == 429
    assert 55 < int(banned.headers["Retry-After"]) <= 60


async def test_what_is_served_is_what_the_journal_says(tmp_path: Path) -> None:
    pace = Pace(beat=timedelta(seconds=0.05))
    # Slow enough that a busy machine does not pass several zones' minutes at once.
    world = a_world(tmp_path, origin=BEFORE_THE_AUCTION, speed=200, pace=pace)
    async with served(world) as client:
        while world.clock.now() < BEFORE_THE_AUCTION + timedelta(minutes=20):
            await asyncio.sleep(0.01)
        world.clock.freeze()
        reply = (await prices(client, start="2025-10-25", end="2025-10-27")).json()
    emissions = list(world.journal.emissions("energy_charts_price"))
    assert len(emissions) > 3, "each zone has its own minute"
    journalled = {
        row["delivery_start"]: row["price_eur_per_mwh"]
        for emission in emissions
        for row in emission.rows
        if row["bidding_zone"] == "DE-LU" and row["delivery_start"] >= "2025-10-24T22:00"
    }
    assert len(journalled) == 196
    shown = {
        datetime.fromtimestamp(seconds, UTC).isoformat(): price
        for seconds, price in zip(reply["unix_seconds"], reply["price"], strict=True)
    }
    assert shown == journalled


async def test_a_restarted_provider_goes_on_without_a_hole(tmp_path: Path) -> None:
    first = a_world(tmp_path, origin=MORNING, speed=50)
    async with served(first) as client:
        while first.clock.now() < MORNING + timedelta(seconds=20):
            await asyncio.sleep(0.01)
        assert (await client.get("/frequency")).status_code == 200
    second = a_world(tmp_path, origin=MORNING + timedelta(minutes=10), speed=50)
    async with served(second) as client:
        while second.clock.now() < MORNING + timedelta(minutes=11):
            await asyncio.sleep(0.01)
        second.clock.freeze()
        reply = (await client.get("/frequency", params={"region": "DE-Freiburg"})).json()
    rows = [
        row
        for emission in second.journal.emissions("energy_charts_frequency")
        for row in emission.rows
    ]
    seconds = sorted({datetime.fromisoformat(row["observed_at"]) for row in rows})
    assert seconds[0] < MORNING < seconds[-1] - timedelta(minutes=10)
    assert all(
        after - before == timedelta(seconds=1) for before, after in itertools.pairwise(seconds)
    )
    shown = dict(zip(reply["unix_seconds"], reply["data"], strict=True))
    assert max(shown) == seconds[-1].timestamp(), "nothing is shown that is not journalled"
    for row in rows:
        at = int(datetime.fromisoformat(row["observed_at"]).timestamp())
        assert shown[at] == row["frequency_hz"]


async def test_the_past_is_the_same_after_a_restart_and_journalled_once_a_run(
    tmp_path: Path,
) -> None:
    start = MORNING - timedelta(days=40)
    first = int(start.timestamp())
    window = {"start": str(first), "end": str(first + 7_199)}
    wider = {"start": str(first - 100), "end": str(first + 7_299)}
    days = {"bzn": "DE-LU", "start": "2025-03-30", "end": "2025-03-30"}
    answers, arounds = [], []
    for _ in range(2):
        async with served(a_world(tmp_path, origin=MORNING)) as client:
            for _ in range(2):
                frequency = (await client.get("/frequency", params=window)).json()
                answers.append((frequency, (await client.get("/price", params=days)).json()))
            arounds.append((await client.get("/frequency", params=wider)).json())
    assert all(answer == answers[0] for answer in answers)
    frequency, price = answers[0]
    assert len(frequency["data"]) == 7_200
    assert arounds[0]["data"][100:-100] == frequency["data"]
    assert len(price["price"]) == 92  # the day on which clocks went forward
    journalled = Counter(
        row["observed_at"]
        for emission in a_world(tmp_path).journal.emissions("energy_charts_frequency")
        for row in emission.rows
    )
    times = Counter(
        journalled[datetime.fromtimestamp(first + second, UTC).isoformat()]
        for second in range(7_200)
    )
    assert times == {4: 7_200}, "once for each of two windows in each of two runs"
