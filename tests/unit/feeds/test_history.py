"""What feeds say of the past: questions in windows, files of archives, objects of a bucket."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.ftp import FtpArchive
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.feeds.sns.grib_ranges import GribRanges
from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.market.feed import HistoricalFeed
from energy_platform.market.provider import Provider
from energy_platform.sources.dwd_wind_observation import DWD_WIND_OBSERVATION
from energy_platform.sources.nord_pool_intraday_trade import NORD_POOL_INTRADAY_TRADE
from simulator import announced_bucket as aws
from simulator.faults import Fault, FaultKind
from simulator.providers.dwd.provider import Dwd
from simulator.providers.dwd.wind import RECENT, STATIONS, archive, measured
from simulator.server import running
from simulator.world import World
from tests.support.feeds import MemorySession, a_world, free_ports
from tests.support.http_server import reply, scripted
from tests.support.running_feeds import comes_true

START = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 7, 1, 12, 3, tzinfo=UTC)


async def fetched(
    feed: HistoricalFeed, session: MemorySession, start: datetime, end: datetime
) -> dict[str, list[bytes]]:
    async with feed.history(session, start, end) as chunks:
        return {chunk.key: [message.body for message in await chunk.fetch()] for chunk in chunks}


def by_the_day(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for whole days, two regions each."""
    return [
        RestRequest(
            url="https://a.example/p",
            params={"r": r, "from": f"{start:%m-%d}", "to": f"{end:%m-%d}"},
        )
        for r in ("x", "y")
    ]


def a_rest_feed(history_chunk: timedelta | None) -> RestFeed:
    return RestFeed(
        provider=Provider(name="A"),
        requests=by_the_day,
        every=timedelta(seconds=1),
        span=timedelta(days=1),
        history_chunk=history_chunk,
    )


def a_session(tmp_path: Path, url: str) -> MemorySession:
    return MemorySession("a", tmp_path, addresses={"https://a.example": url})


async def test_a_polling_feed_asks_for_no_more_than_its_provider_answers(tmp_path: Path) -> None:
    feed = a_rest_feed(timedelta(days=10))
    assert feed.keeps_history
    async with scripted(reply(b"[1]")) as server:
        session = a_session(tmp_path, server.url)
        got = await fetched(feed, session, START, START + timedelta(days=25))
    asked = [head.partition(" HTTP")[0] for head in server.requests]
    assert asked == [
        f"GET /p?r={region}&from={first}&to={last}"
        for first, last in (("01-01", "01-11"), ("01-11", "01-21"), ("01-21", "01-26"))
        for region in ("x", "y")
    ]
    assert list(got.values()) == [[b"[1]"]] * 6
    assert session.landed == []
    assert session.cursor is None


async def test_a_question_that_windows_share_is_put_once(tmp_path: Path) -> None:
    feed = a_rest_feed(timedelta(hours=1))
    async with scripted(reply(b"[1]")) as server:
        got = await fetched(
            feed, a_session(tmp_path, server.url), START, START + timedelta(hours=23)
        )
    assert len(got) == len(server.requests) == 2


async def test_a_question_that_is_not_answered_says_so(tmp_path: Path) -> None:
    feed = a_rest_feed(timedelta(days=1))
    async with scripted(reply(status="500 Oh", Retry_After="7")) as server:
        with pytest.raises(FeedError, match="500") as caught:
            await fetched(feed, a_session(tmp_path, server.url), START, START + timedelta(days=1))
    assert caught.value.retry_after_seconds == 7


def test_feeds_without_history_say_so() -> None:
    assert not a_rest_feed(None).keeps_history
    assert not isinstance(NORD_POOL_INTRADAY_TRADE.feed, HistoricalFeed)


DAILY = FtpArchive(url="ftp://x", names=r"(?P<first>\d{8})P\.xml", zone="Europe/Rome")
HOURLY = FtpArchive(
    url="ftp://x",
    names=r"M_(?P<first>\d{10})\.kmz",
    time_format="%Y%m%d%H",
    part=timedelta(hours=1),
)
SPANS = FtpArchive(url="ftp://x", names=r"w_(?P<first>\d{8})_(?P<last>\d{8})_hist\.zip")
LATELY = FtpArchive(url="ftp://x", names=r"w_akt\.zip", reaches_back=timedelta(days=500))


@pytest.mark.parametrize(
    ("archive", "name", "start", "end", "tells"),
    [
        # The local day of 23 hours is from 23:00 to 22:00 UTC.
        (DAILY, "20260329P.xml", "2026-03-29T21:59", "2026-03-29T22:30", True),
        (DAILY, "20260329P.xml", "2026-03-29T22:00", "2026-03-29T22:30", False),
        (DAILY, "20260329P.xml", "2026-03-28T22:00", "2026-03-28T23:00", False),
        (DAILY, "20260329P.xml", "2026-03-28T22:00", "2026-03-28T23:01", True),
        # And that of 25 hours is from 22:00 to 23:00.
        (DAILY, "20261025P.xml", "2026-10-25T22:59", "2026-10-26T00:00", True),
        (DAILY, "20261025P.xml", "2026-10-25T23:00", "2026-10-26T00:00", False),
        (DAILY, "20260329Q.xml", "2026-03-01T00:00", "2026-04-01T00:00", False),
        (HOURLY, "M_2026032909.kmz", "2026-03-29T09:59", "2026-03-29T10:30", True),
        (HOURLY, "M_2026032909.kmz", "2026-03-29T10:00", "2026-03-29T10:30", False),
        (SPANS, "w_20240101_20251231_hist.zip", "2025-12-31T23:00", "2026-02-01T00:00", True),
        (SPANS, "w_20240101_20251231_hist.zip", "2026-01-01T00:00", "2026-02-01T00:00", False),
        (LATELY, "w_akt.zip", "2026-01-01T00:00", "2026-02-01T00:00", True),
        (LATELY, "w_akt.zip", "2024-01-01T00:00", "2024-02-01T00:00", False),
        (LATELY, "w_akt.zip.part", "2026-01-01T00:00", "2026-02-01T00:00", False),
    ],
)
def test_a_files_name_says_of_what_time_it_tells(
    archive: FtpArchive, name: str, start: str, end: str, *, tells: bool
) -> None:
    window = (datetime.fromisoformat(start + "Z"), datetime.fromisoformat(end + "Z"))
    assert archive.tells_of(name, *window, NOON) is tells


DWD_SERVER = partial(Dwd, wind_stations=STATIONS[:3], forecast_stations=())


async def recent_files_are_there(world: World) -> None:
    folder = world.folder / "dwd/ftp" / RECENT

    def are_there() -> None:
        assert len(list(folder.glob("10*.zip"))) == 3

    await comes_true(are_there)


async def test_an_ftp_feeds_archives_are_read_whole(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    feed = DWD_WIND_OBSERVATION.feed
    assert isinstance(feed, HistoricalFeed)
    assert feed.keeps_history
    session = MemorySession("a", tmp_path, addresses=world.addresses, clock=world.clock)
    async with running(world, [DWD_SERVER]):
        await recent_files_are_there(world)
        got = await fetched(feed, session, NOON - timedelta(days=5), NOON - timedelta(days=2))
        before = await fetched(
            feed, session, NOON - timedelta(days=700), NOON - timedelta(days=600)
        )
        world.faults.ask("dwd_wind_observation", Fault(kind=FaultKind.TRUNCATED))
        with pytest.raises(FeedError, match="not complete"):
            await fetched(feed, session, NOON - timedelta(days=5), NOON - timedelta(days=2))
    midnight = NOON.replace(hour=0, minute=0)
    expected = {
        archive(station, measured(world, station, midnight - timedelta(minutes=10), days=10))
        for station in STATIONS[:3]
    }
    assert [len(bodies) for bodies in got.values()] == [1, 1, 1]
    assert {len(bodies[0]) for bodies in got.values()} == {len(body) for body in expected}
    assert before == {}


KEY = "gfs.{day}/00/atmos/gfs.t00z.pgrb2.0p25.f003"
INDEX = b"1:0:d=2026032900:UGRD:10 m above ground:3 hour fcst:\n"
BUCKET_FEED = SnsQueueFeed(
    topic_arn="arn:aws:sns:us-east-1:123456789012:t",
    queue_variable="QUEUE",
    bucket="files",
    keys="gfs.*/atmos/gfs.t??z.pgrb2.0p25.f???",
    read=GribRanges(variables=("UGRD",), levels=("10 m above ground",)),
    history_prefix="gfs.%Y%m%d/",
)


def framed(fill: bytes) -> bytes:
    body = fill * 30
    return b"GRIB\0\0\0\2" + (len(body) + 20).to_bytes(8, "big") + body + b"7777"


async def test_a_buckets_older_files_are_read_as_if_announced(tmp_path: Path) -> None:
    world = a_world(tmp_path / "world")
    addresses = {"https://files.s3.amazonaws.com": f"{world.amazon_url}/files"}
    session = MemorySession("a", tmp_path, addresses=addresses)
    days = {f"2026032{n}": framed(b"%d" % n) for n in range(6, 10)}
    with contextlib.closing(world.listeners):
        async with aws.running(
            world, bucket="files", topic="t", queue="q", next_fault=lambda: None
        ) as cloud:
            for day, body in days.items():
                key = KEY.format(day=day)
                await asyncio.to_thread(cloud.put, key, body)
                await asyncio.to_thread(cloud.put, f"{key}.idx", INDEX)
            # More than one page of the listing, and none of it wanted.
            for number in range(1_001):
                await asyncio.to_thread(cloud.put, f"gfs.20260327/00/a{number:04}", b"")
            start = datetime(2026, 3, 27, 6, tzinfo=UTC)
            got = await fetched(BUCKET_FEED, session, start, start + timedelta(days=1))
            await asyncio.to_thread(cloud.remove, f"{KEY.format(day='20260329')}.idx")
            with pytest.raises(FeedError, match="404"):
                await fetched(BUCKET_FEED, session, start, start + timedelta(days=2))
    assert list(got.values()) == [[days["20260327"]], [days["20260328"]]]
    assert [key.split()[0] for key in got] == [KEY.format(day=d) for d in ("20260327", "20260328")]


async def test_a_bucket_that_is_away_says_so(tmp_path: Path) -> None:
    [port] = free_ports(1)
    session = MemorySession(
        "a",
        tmp_path,
        addresses={"https://files.s3.amazonaws.com": f"http://127.0.0.1:{port}/files"},
    )
    with pytest.raises(FeedError, match="S3"):
        await fetched(BUCKET_FEED, session, START, START + timedelta(days=1))


async def test_a_listing_that_is_none_says_so(tmp_path: Path) -> None:
    async with scripted(reply(b"<html/>")) as server:
        session = MemorySession(
            "a", tmp_path, addresses={"https://files.s3.amazonaws.com": server.url}
        )
        with pytest.raises(FeedError, match="no listing"):
            await fetched(BUCKET_FEED, session, START, START + timedelta(days=1))
