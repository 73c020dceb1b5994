"""What has landed on one machine wakes the hot lane of another, through Google's Pub/Sub emulator.

Against the emulator: it knows the schema, redelivers and moves dead letters. It knows no
permissions.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1 import (
    Encoding,
    PublisherClient,
    PubsubMessage,
    Schema,
    SchemaServiceClient,
    SchemaSettings,
    Topic,
)
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport

from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.stores import open_landed_listener, open_landing
from energy_platform.settings import Settings
from energy_platform.storage.landing.landed_topic import LandedListener, LandedTopic
from energy_platform.storage.pubsub_address import PubSubAddress
from energy_platform.storage.pubsub_topics import (
    create_topic,
    publisher_transport,
    pulled,
    subscriber,
)
from tests.support.pubsub_emulator import PubSubEmulator

PATIENCE_SECONDS = 60
SCHEMA = Path(__file__).parents[3] / "deploy" / "terraform" / "schemas" / "landed.avsc"


@pytest.fixture
def address(emulator: PubSubEmulator) -> PubSubAddress:
    """Topics that no other test knows."""
    return PubSubAddress("energy", f"test-{uuid4().hex}", emulator.address)


@asynccontextmanager
async def listening(address: PubSubAddress) -> AsyncIterator[list[str]]:
    heard: list[str] = []
    task = asyncio.create_task(LandedListener(address).listen(heard.append))
    yield heard
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def told_until_heard(tell: LandedTopic, heard: list[str], source: str) -> None:
    """Tell again and again, as a collector does, until the listener has heard of the source."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    offset = 0
    while source not in heard:
        assert time.monotonic() < deadline, f"{source} is not in {heard}"
        tell(source, range(offset, offset + 1))
        offset += 1
        await asyncio.sleep(0.2)


async def test_what_lands_is_heard_of_by_name(address: PubSubAddress) -> None:
    tell = LandedTopic(address)
    async with listening(address) as heard:
        await told_until_heard(tell, heard, "ceps_load")
        await told_until_heard(tell, heard, "smard_price")
        assert set(heard) == {"ceps_load", "smard_price"}


async def test_landing_tells_the_topic_what_became_durable(
    address: PubSubAddress, tmp_path: Path
) -> None:
    chosen = Settings(
        home=tmp_path,
        live_bus=f"pubsub://{address.project}/{address.prefix}",
        pubsub_emulator=address.emulator,
    )
    writer = open_landing(chosen).writer("ceps_load")
    with_body = [RawMessage(body=b"{}", received_at=datetime.now(UTC), context={})]
    async with listening(address) as heard:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not heard:
            assert time.monotonic() < deadline
            writer.append(with_body, cursor=None)
            await asyncio.sleep(0.2)
    assert set(heard) == {"ceps_load"}


def test_a_bus_in_a_valkey_elsewhere_tells_only_this_machine(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, live_bus="redis://follower:word@localhost:6379")
    assert open_landed_listener(chosen) is None
    writer = open_landing(chosen).writer("ceps_load")
    writer.append([RawMessage(body=b"{}", received_at=datetime.now(UTC), context={})], cursor=None)
    assert writer.end_offset == 1


async def test_a_killed_emulator_delays_and_ends_nothing(address: PubSubAddress) -> None:
    with PubSubEmulator() as own:
        there = PubSubAddress(address.project, address.prefix, own.address)
        tell = LandedTopic(there)
        async with listening(there) as heard:
            await told_until_heard(tell, heard, "before")
            own.kill()
            began = time.monotonic()
            for offset in range(2_000):
                tell("meanwhile", range(offset, offset + 1))
            assert time.monotonic() - began < 5, "who lands waits for nobody"
            own.start()
            await told_until_heard(tell, heard, "after")


async def test_what_nobody_can_read_becomes_a_dead_letter(address: PubSubAddress) -> None:
    publisher, client = PublisherClient(transport=publisher_transport(address)), subscriber(address)
    create_topic(publisher, address.dead_topic)
    dead = f"{address.landed_subscription}-dead"
    await client.create_subscription(name=dead, topic=address.dead_topic)
    bodies = {b"no JSON", b"[1]", b'{"start": 1}'}
    found: set[bytes] = set()
    async with listening(address) as heard:
        await told_until_heard(LandedTopic(address), heard, "before")
        for body in bodies:
            publisher.publish(topic=address.landed_topic, messages=[PubsubMessage(data=body)])
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for received in pulled(client, dead, most=10):
                found |= {one.message.data for one in received}
                if found == bodies:
                    break
        await told_until_heard(LandedTopic(address), heard, "after")
    await client.transport.close()


async def test_messages_are_of_the_registered_schema(address: PubSubAddress) -> None:
    schemas = SchemaServiceClient(
        transport=SchemaServiceGrpcTransport(channel=grpc.insecure_channel(address.emulator or ""))
    )
    schema = schemas.create_schema(
        parent=f"projects/{address.project}",
        schema_id=f"{address.prefix}-landed",
        schema=Schema(type_=Schema.Type.AVRO, definition=SCHEMA.read_text()),
    )
    publisher = PublisherClient(transport=publisher_transport(address))
    publisher.create_topic(
        request=Topic(
            name=address.landed_topic,
            schema_settings=SchemaSettings(schema=schema.name, encoding=Encoding.JSON),
        )
    )
    with pytest.raises(InvalidArgument):
        publisher.publish(
            topic=address.landed_topic, messages=[PubsubMessage(data=b'{"source": 1}')]
        )
    async with listening(address) as heard:
        await told_until_heard(LandedTopic(address), heard, "ceps_load")


def test_the_schema_is_what_a_message_says() -> None:
    fields = [field["name"] for field in json.loads(SCHEMA.read_text())["fields"]]
    assert fields == ["source", "start", "stop"]
