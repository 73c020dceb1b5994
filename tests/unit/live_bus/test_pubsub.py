"""Pub/Sub that is killed, hangs or knows nothing of a topic, and what it is asked."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import polars as pl
import pytest
from google.pubsub_v1 import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from energy_platform.errors import LiveBusUnavailableError
from energy_platform.market.instants import microseconds
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.settings import Settings
from energy_platform.storage import pubsub_topics
from energy_platform.storage.live_bus import pubsub_follower
from energy_platform.storage.live_bus.cursor import Place
from energy_platform.storage.live_bus.entries import MOST_BYTES
from energy_platform.storage.live_bus.pubsub import PubSubBus
from energy_platform.storage.live_bus.pubsub_follower import PubSubFollower
from energy_platform.storage.pubsub_address import KEPT, PubSubAddress
from tests.support.live_bus import Following, begin_streams, some_rows
from tests.support.pubsub_emulator import MISSING, PubSubEmulator, is_installed
from tests.support.valkey_process import PATIENCE_SECONDS

Follow = Callable[..., Awaitable[Following]]


@pytest.fixture
def bus(pubsub: PubSubBus) -> PubSubBus:
    return pubsub


def publish(bus: PubSubBus, start: int, stop: int, *, source: str = "s") -> None:
    offsets = range(start, stop)
    bus.publish(source, some_rows(offsets), copy="", offsets=offsets)


def publish_once_back(bus: PubSubBus, start: int, stop: int) -> None:
    """Publish as the hot lane does: until the connection's own pause is over, it is refused."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            publish(bus, start, stop)
        except LiveBusUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def subscriptions(emulator: str) -> set[str]:
    with grpc.insecure_channel(emulator) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        listed = client.list_subscriptions(project="projects/energy", timeout=PATIENCE_SECONDS)
        return {one.name for one in listed}


async def test_a_subscription_ends_with_its_follower(
    emulator: PubSubEmulator, bus: PubSubBus
) -> None:
    before = subscriptions(emulator.address)
    begin_streams(bus, "s", "t")
    follower = await Following(bus, ["s", "t"]).begin()
    publish(bus, 0, 1)
    await follower.rows()
    during = subscriptions(emulator.address) - before
    assert len(during) == 2
    await follower.end()
    assert not subscriptions(emulator.address) & during


async def test_topics_and_subscriptions_are_bounded_in_time(
    emulator: PubSubEmulator, bus: PubSubBus, follow: Follow
) -> None:
    before = subscriptions(emulator.address)
    await follow("s")
    topic = bus._client().get_topic(topic=bus._address.topic("s"))
    assert topic.message_retention_duration == KEPT
    [name] = subscriptions(emulator.address) - before
    with grpc.insecure_channel(emulator.address) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        subscription = client.get_subscription(subscription=name)
    assert subscription.enable_message_ordering
    assert subscription.message_retention_duration == KEPT
    assert subscription.expiration_policy.ttl == timedelta(days=1)


@pytest.mark.skipif(not is_installed(), reason=MISSING)
async def test_killed_and_back_a_follower_is_told_and_goes_on() -> None:
    with PubSubEmulator() as emulator:
        bus = PubSubBus(PubSubAddress("energy", "test", emulator.address))
        begin_streams(bus, "s")
        told: list[str | None] = []
        follower = await Following(bus, ["s"], on_link=told.append).begin()
        publish(bus, 0, 2)
        await follower.rows()
        assert told == [None]
        emulator.kill()
        began = time.monotonic()
        with pytest.raises(LiveBusUnavailableError):
            publish(bus, 2, 3)
        assert time.monotonic() - began < 5 * pubsub_topics.PATIENCE_SECONDS
        emulator.start()
        publish_once_back(bus, 3, 4)
        gap = await follower.gap()
        assert told[1]
        assert told[-1] is None
        assert (gap.source, gap.since) == ("s", 2)
        publish(bus, 4, 5)
        assert (await follower.rows()).rows["landing_offset"].to_list() == [4]
        await follower.end()


def test_one_that_hangs_is_waited_for_once(emulator: PubSubEmulator, bus: PubSubBus) -> None:
    announcer = Announcer(lambda: bus)
    announcer.announce("s", some_rows(range(1)), copy="", offsets=range(1))
    emulator.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for _ in range(20):
            announcer.announce("s", some_rows(range(1)), copy="", offsets=range(1))
        assert time.monotonic() - began < 2 * pubsub_topics.PATIENCE_SECONDS
        assert announcer._failures == 1
    finally:
        emulator.process.send_signal(signal.SIGCONT)


async def test_more_than_one_request_holds_arrives_in_order(bus: PubSubBus, follow: Follow) -> None:
    follower = await follow("s")
    offsets = range(12)
    noise = [os.urandom(int(MOST_BYTES * 0.9)) for _ in offsets]
    rows = pl.DataFrame({"landing_offset": list(offsets), "said": noise})
    bus.publish("s", rows, copy="", offsets=offsets)
    got = [(await follower.rows()).rows for _ in offsets]
    assert pl.concat(got).equals(rows)


async def test_a_reader_that_pauses_misses_nothing_and_little_waits_in_its_memory(
    bus: PubSubBus,
) -> None:
    begin_streams(bus, "s")
    follower = PubSubFollower(bus._address, ["s"], {})
    messages = follower.messages()
    first = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.3)
    for offset in range(300):
        publish(bus, offset, offset + 1)
    offsets = [(await first).rows["landing_offset"][0]]  # type: ignore[union-attr]
    await asyncio.sleep(1.0)
    assert follower._arrived.qsize() <= pubsub_follower._WAITING
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(offsets) < 300:
            offsets.append((await anext(messages)).rows["landing_offset"][0])  # type: ignore[union-attr]
    assert offsets == list(range(300))
    await messages.aclose()


async def test_a_cursor_from_a_clock_that_was_ahead_holds_nothing_back(
    bus: PubSubBus, follow: Follow
) -> None:
    publish(bus, 0, 4)
    ahead = microseconds(datetime.now(UTC) + timedelta(days=1))
    follower = await follow("s", cursor=json.dumps({"s": [f"{ahead}-0", "", 2]}))
    assert (await follower.rows()).rows["landing_offset"].to_list() == [0, 1, 2, 3]
    publish(bus, 4, 5)
    assert (await follower.rows()).rows["landing_offset"].to_list() == [4]


@pytest.mark.parametrize(
    ("place", "look_back"),
    [(None, pubsub_follower._LOOK_BACK), (Place("1796002000000000-0", "", 2), timedelta())],
)
async def test_a_new_subscription_is_sought_back_to_the_place(
    place: Place | None, look_back: timedelta
) -> None:
    """The emulator's begin with the topic's first message, so only the requests show it."""
    asked: list[tuple[str, Any]] = []

    class Client:
        async def create_subscription(self, *, request: Any, **_: object) -> None:
            asked.append(("create", request))

        async def seek(self, *, request: Any, **_: object) -> None:
            asked.append(("seek", request))

    address = PubSubAddress("energy", "test")
    follower = PubSubFollower(address, ["s"], {} if place is None else {"s": place})
    await follower._subscribe(Client(), "s")  # type: ignore[arg-type]
    [(_, subscription), (_, sought)] = asked
    assert (subscription.topic, subscription.name) == (
        "projects/energy/topics/test-s",
        sought["subscription"],
    )
    since = microseconds(sought["time"] + look_back)
    assert f"{since}-0" == follower._places["s"].entry


def test_the_settings_choose_it(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, live_bus="pubsub://energy-1/desk", pubsub_emulator="h:1")
    bus = open_live_bus(chosen)
    assert isinstance(bus, PubSubBus)
    assert bus._address == PubSubAddress("energy-1", "desk", "h:1")
    assert bus._address.topic("s") == "projects/energy-1/topics/desk-s"


async def test_one_that_is_not_there_says_so() -> None:
    bus = PubSubBus(PubSubAddress("energy", "test", "127.0.0.1:9"))
    with pytest.raises(LiveBusUnavailableError, match="down"):
        await bus.require()
