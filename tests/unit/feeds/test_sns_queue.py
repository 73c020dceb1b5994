"""Files announced through SQS, met with moto's SQS, SNS and S3 on a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from energy_platform.errors import FeedError, ParseError
from energy_platform.feeds.sns.envelope import S3ObjectCreated, s3_objects_created
from energy_platform.feeds.sns.fingerprints import Fingerprints
from energy_platform.feeds.sns.grib_ranges import GribRanges
from energy_platform.feeds.sns.queue import SnsQueueFeed
from energy_platform.market.raw_message import RawMessage
from simulator import announced_bucket as aws
from tests.support.feeds import MemorySession, a_world, free_ports
from tests.support.running_feeds import until

KEY = "gfs.20260329/00/atmos/gfs.t00z.pgrb2.0p25.f003"
INDEX = b"1:0:d=2026032900:UGRD:10 m above ground:3 hour fcst:\n"
FEED = SnsQueueFeed(
    topic_arn="arn:aws:sns:us-east-1:123456789012:t",
    queue_variable="QUEUE",
    bucket="files",
    keys="gfs.*/atmos/gfs.t??z.pgrb2.0p25.f???",
    read=GribRanges(variables=("UGRD",), levels=("10 m above ground",)),
    max_receives=3,
    wait_seconds=1,
    visibility_seconds=2,
    file_seconds=20.0,
    answer_seconds=20.0,
    retry_seconds=0.5,
)


def framed(fill: bytes) -> bytes:
    body = fill * 30
    return b"GRIB\0\0\0\2" + (len(body) + 20).to_bytes(8, "big") + body + b"7777"


def an_event(key: str, etag: str = "e", **record: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "files"}, "object": {"key": key, "eTag": etag}},
        **record,
    }


def a_body(*records: dict[str, Any], wrapped: bool) -> str:
    event = json.dumps({"Records": list(records)})
    return json.dumps({"Type": "Notification", "Message": event}) if wrapped else event


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_event_is_read_wrapped_or_raw(*, wrapped: bool) -> None:
    body = a_body(an_event("a+b/c%2Bd%C3%A4.f003"), wrapped=wrapped)
    assert s3_objects_created(body) == [
        S3ObjectCreated(bucket="files", key="a b/c+dä.f003", etag="e")
    ]


def test_removals_and_the_test_event_announce_nothing() -> None:
    removed = an_event("a", eventName="ObjectRemoved:Delete")
    assert s3_objects_created(a_body(removed, wrapped=True)) == []
    test = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "files"})
    assert s3_objects_created(test) == []
    assert s3_objects_created(json.dumps({"Type": "Notification", "Message": test})) == []


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.6", "2.10"])
def test_events_of_version_2_are_known(version: str) -> None:
    assert len(s3_objects_created(a_body(an_event("a", eventVersion=version), wrapped=False))) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"Type": "Notification", "Message": "hello"}',
        '{"Records": 5}',
        '{"Records": [5]}',
        '{"Records": [{}]}',
        a_body(an_event("a", eventVersion="3.0"), wrapped=False),
        a_body(an_event("a", s3={"bucket": {}}), wrapped=False),
    ],
)
def test_what_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(ParseError):
        s3_objects_created(body)


def test_fingerprints_forget_the_oldest_and_survive_a_cursor() -> None:
    seen = Fingerprints.load(None, capacity=3).adding([b"1", b"2", b"3"]).adding([b"2", b"4"])
    again = Fingerprints.load(seen.dump(), capacity=3)
    assert [thing in again for thing in (b"1", b"2", b"3", b"4")] == [False, True, True, True]
    with pytest.raises(FeedError):
        Fingerprints.load("{", capacity=3)


@dataclass
class Stage:
    cloud: aws.Cloud
    session: MemorySession
    port: int

    def put(self, key: str, body: bytes) -> None:
        self.cloud.put(key, body)
        self.cloud.announce(key, body)

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.session.landed]

    def waiting(self) -> int:
        """Count the messages on the queue, hidden ones too."""
        from moto.sqs.models import sqs_backends  # noqa: PLC0415 (moto's own view)

        queue = sqs_backends["123456789012"]["us-east-1"].queues["simulated"]
        return len(queue._messages)

    def in_flight(self) -> int:
        """Count the messages that are hidden because someone has them in hand."""
        from moto.sqs.models import sqs_backends  # noqa: PLC0415 (moto's own view)

        queue = sqs_backends["123456789012"]["us-east-1"].queues["simulated"]
        return sum(not message.visible for message in queue._messages)

    def send(self, body: str) -> None:
        """Put a message on the queue without the topic."""
        from moto.sqs.models import sqs_backends  # noqa: PLC0415 (moto's own view)

        sqs_backends["123456789012"]["us-east-1"].send_message("simulated", body)


@contextlib.asynccontextmanager
async def a_stage(folder: Path) -> AsyncIterator[Stage]:
    world = a_world(folder / "world")
    with contextlib.closing(world.listeners):
        async with aws.running(
            world, bucket="files", topic="t", queue="simulated", next_fault=lambda: None
        ) as cloud:
            addresses = {
                "https://files.s3.amazonaws.com": f"{world.amazon_url}/files",
                "https://sqs.us-east-1.amazonaws.com": world.amazon_url,
            }
            port = world.listeners.port("amazon")
            yield Stage(cloud, MemorySession("gfs", folder, addresses=addresses), port)


@contextlib.asynccontextmanager
async def carrying(stage: Stage, feed: SnsQueueFeed = FEED) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(feed.run(stage.session))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("first", ["file", "index"])
async def test_file_and_index_land_once_in_either_order(tmp_path: Path, first: str) -> None:
    async with a_stage(tmp_path) as stage, carrying(stage):
        objects = [(KEY, framed(b"a")), (f"{KEY}.idx", INDEX)]
        for key, body in objects if first == "file" else reversed(objects):
            stage.put(key, body)
            await asyncio.sleep(1.0)
        await until(lambda: stage.bodies and not stage.waiting())
    assert stage.bodies == [framed(b"a")]
    assert stage.session.landed[0].context["key"] == KEY


async def test_redelivery_lands_nothing_and_a_new_version_lands(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        async with carrying(stage):
            stage.put(f"{KEY}.idx", INDEX)
            stage.put(KEY, framed(b"a"))
            for _ in range(3):
                stage.cloud.announce(KEY, framed(b"a"))
            await until(lambda: stage.bodies and not stage.waiting())
        stage.cloud.announce(KEY, framed(b"a"))
        stage.cloud.announce(f"{KEY}.idx", INDEX)
        async with carrying(stage):  # a restart: only the cursor is left
            await until(lambda: not stage.waiting())
            assert stage.bodies == [framed(b"a")]
            stage.put(KEY, framed(b"b"))
            stage.cloud.announce(KEY, framed(b"a"))  # late, and no longer true
            await until(lambda: len(stage.bodies) == 2 and not stage.waiting())
    assert stage.bodies == [framed(b"a"), framed(b"b")]


async def test_other_objects_are_passed_over(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, carrying(stage):
        stage.put("gfs.20260329/00/atmos/gfs.t00z.sfluxgrbf003.grib2", b"x")
        stage.put(f"{KEY}4", b"x")
        stage.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))
        stage.send(
            a_body(
                an_event(KEY) | {"s3": {"bucket": {"name": "b"}, "object": {"key": KEY}}},
                wrapped=True,
            )
        )
        await until(lambda: not stage.waiting())
    assert stage.session.landed == []


async def test_a_raw_event_of_several_objects_lands_them_all(tmp_path: Path) -> None:
    other = KEY.replace("f003", "f006")
    async with a_stage(tmp_path) as stage, carrying(stage):
        for key, fill in ((KEY, b"a"), (other, b"b")):
            stage.cloud.put(key, framed(fill))
            stage.cloud.put(f"{key}.idx", INDEX)
        stage.send(a_body(an_event(KEY), an_event(other), wrapped=False))
        await until(lambda: len(stage.bodies) == 2 and not stage.waiting())
    assert stage.bodies == [framed(b"a"), framed(b"b")]


async def test_a_file_that_never_becomes_readable_is_set_aside(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, carrying(stage):
        stage.put(KEY, framed(b"a"))  # its index never comes
        await until(lambda: stage.session.landed and not stage.waiting())
    (aside,) = stage.session.landed
    assert aside.context == {"unreadable": f"S3 answered 404 for {KEY}.idx"}
    assert s3_objects_created(aside.body.decode())[0].key == KEY


async def test_a_message_that_is_no_event_is_set_aside_at_once(tmp_path: Path) -> None:
    once = replace(FEED, visibility_seconds=600)  # nobody sees it again while the test lasts
    async with a_stage(tmp_path) as stage, carrying(stage, once):
        stage.send("hello")
        await until(lambda: stage.session.landed and not stage.waiting())
    assert stage.bodies == [b"hello"]
    assert stage.session.landed[0].context == {
        "unreadable": "the reply is not JSON (Expecting value: line 1 column 1 (char 0)): hello"
    }


@dataclass
class SlowSession(MemorySession):
    """A session whose landing zone takes its time."""

    seconds: float = 0.0

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        await asyncio.sleep(self.seconds)
        await super().land(messages, cursor=cursor)


async def test_a_message_stays_hidden_while_it_is_worked_on(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        session = SlowSession("gfs", tmp_path, addresses=stage.session.addresses, seconds=5.0)
        slow = Stage(stage.cloud, session, stage.port)
        stage.cloud.put(f"{KEY}.idx", INDEX)
        stage.put(KEY, framed(b"a"))
        async with carrying(slow):
            await until(lambda: slow.bodies and not slow.waiting())
    assert slow.bodies == [framed(b"a")]


@dataclass
class BrokenSession(MemorySession):
    """A session that can't land."""

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        raise OSError("the disk is full")


async def test_what_could_not_land_stays_on_the_queue(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        broken = BrokenSession("gfs", tmp_path, addresses=stage.session.addresses)
        stage.cloud.put(f"{KEY}.idx", INDEX)
        stage.put(KEY, framed(b"a"))
        with pytest.raises(OSError, match="the disk is full"):
            async with asyncio.timeout(60):
                await FEED.run(broken)
        assert stage.waiting() == 1
        async with carrying(stage):
            await until(lambda: stage.bodies and not stage.waiting())
    assert stage.bodies == [framed(b"a")]


async def test_no_more_messages_are_held_than_allowed(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        session = SlowSession("gfs", tmp_path, addresses=stage.session.addresses, seconds=0.3)
        slow = Stage(stage.cloud, session, stage.port)
        for step in range(8):
            key = KEY.replace("f003", f"f{step:03}")
            stage.cloud.put(f"{key}.idx", INDEX)
            stage.cloud.put(key, framed(bytes([65 + step])))
            stage.cloud.announce(key, framed(bytes([65 + step])))
        async with carrying(slow, replace(FEED, max_in_flight=2)):
            held = [0]
            async with asyncio.timeout(60):
                while len(slow.bodies) < 8:
                    held.append(slow.in_flight())
                    await asyncio.sleep(0.05)
    assert 0 < max(held) <= 2
    assert sorted(slow.bodies) == sorted(framed(bytes([65 + step])) for step in range(8))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("not a queue!", "QUEUE holds neither"),
        ("https://evil.example/queue", "QUEUE holds neither"),
        ("missing", "NonExistentQueue"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/missing", "NonExistentQueue"),
    ],
)
async def test_a_wrong_queue_is_told_in_one_line(tmp_path: Path, value: str, says: str) -> None:
    async with a_stage(tmp_path) as stage:
        stage.session.secrets["QUEUE"] = value
        with pytest.raises(FeedError, match=says) as told:
            async with asyncio.timeout(60):
                await FEED.run(stage.session)
        assert "\n" not in str(told.value)


async def test_a_queue_is_found_by_its_url(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        stage.session.secrets["QUEUE"] = (
            "https://sqs.us-east-1.amazonaws.com/123456789012/simulated"
        )
        stage.cloud.put(f"{KEY}.idx", INDEX)
        stage.put(KEY, framed(b"a"))
        async with carrying(stage):
            await until(lambda: stage.bodies and not stage.waiting())


async def test_sqs_out_of_reach_is_a_failure_of_the_feed(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    addresses = {"https://sqs.us-east-1.amazonaws.com": f"http://127.0.0.1:{port}"}
    with pytest.raises(FeedError, match="SQS: Could not connect"):
        await FEED.run(MemorySession("gfs", tmp_path, addresses=addresses))
