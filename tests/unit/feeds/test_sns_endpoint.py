"""Topics that push, end to end: a signing sender, real sockets, the feed between them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from energy_platform.errors import FeedError
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.market.raw_message import RawMessage
from simulator.sns_sender import SnsSender
from tests.support.feeds import MemorySession, free_ports

TOPIC = "arn:aws:sns:eu-west-2:633885181284:met-office-radar-obs-data-object_created"
FOREIGN = "arn:aws:sns:eu-west-2:111111111111:somebody"
FEED = SnsEndpointFeed(topic_arns=(TOPIC,), listen="http://127.0.0.1:8472/sns", body_seconds=0.5)


@dataclass
class FailingSession(MemorySession):
    """A session whose landing zone fails the next so many times."""

    failures: int = 0

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        await super().land(messages, cursor=cursor)


@dataclass
class Stage:
    """A sender and a feed that reach each other."""

    sender: SnsSender
    session: FailingSession
    url: str
    failures: list[Exception] = field(default_factory=list)

    async def collect(self) -> None:
        """Run the feed, again after a failure as the collector would."""
        while True:
            try:
                await FEED.run(self.session)
            except Exception as error:  # noqa: BLE001 (as the collector does)
                self.failures.append(error)


@contextlib.asynccontextmanager
async def serving(app: Starlette, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def a_stage(
    folder: Path, *, version: str = "1", topic: str = TOPIC, after: Stage | None = None
) -> AsyncIterator[Stage]:
    """Run a sender and the feed, both as they were left `after` another stage if that is given."""
    endpoint_port, amazon_port = free_ports(2)
    url = f"http://127.0.0.1:{endpoint_port}/sns"
    sender = after.sender if after else SnsSender(topic_arn=topic, endpoint=lambda: url)
    sender.endpoint, sender.signature_version = (lambda: url), version
    sender.retries, sender.retry_seconds = 4, 0.3
    session = FailingSession(
        "radar",
        folder,
        addresses={
            "http://127.0.0.1:8472": f"http://127.0.0.1:{endpoint_port}",
            sender.host: f"http://127.0.0.1:{amazon_port}",
        },
        cursor=after.session.cursor if after else None,
    )
    stage = Stage(sender, session, url)
    async with serving(Starlette(routes=list(sender.routes())), amazon_port):
        collecting = asyncio.create_task(stage.collect())
        try:
            await reachable(url)
            yield stage
        finally:
            collecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await collecting


async def reachable(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(timeout=60) as client:
        while True:
            try:
                assert (await client.get(url)).status_code == 405
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("version", ["1", "2"])
async def test_handshake_then_notifications_land(tmp_path: Path, version: str) -> None:
    async with a_stage(tmp_path, version=version) as stage:
        assert await stage.sender.subscribe() == 200
        assert stage.sender.confirmed.is_set()
        assert await stage.sender.publish('{"a": 1}', subject="Amazon S3 Notification") == 200
        assert await stage.sender.publish('{"a": 2}') == 200
    envelopes = [json.loads(message.body) for message in stage.session.landed]
    assert [envelope["Message"] for envelope in envelopes] == ['{"a": 1}', '{"a": 2}']
    assert stage.session.landed[0].context["topic_arn"] == TOPIC
    assert stage.failures == []


async def test_a_message_sent_again_lands_once_also_after_a_restart(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        message = stage.sender.signed({"Type": "Notification", "Message": "once"})
        assert [await stage.sender.push(message) for _ in range(2)] == [200, 200]
        at_once = await asyncio.gather(*(stage.sender.push(message) for _ in range(4)))
        assert at_once == [200] * 4
    assert len(stage.session.landed) == 1
    async with a_stage(tmp_path, after=stage) as resumed:
        assert await resumed.sender.push(message) == 200
    assert resumed.session.landed == []


async def test_when_landing_fails_sns_is_asked_to_send_again(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        stage.session.failures = 1
        assert await stage.sender.publish("kept") == 200
    assert [json.loads(message.body)["Message"] for message in stage.session.landed] == ["kept"]
    assert [str(error) for error in stage.failures] == ["the disk is full"]


async def test_a_bad_signature_is_refused(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        message = stage.sender.signed({"Type": "Notification", "Message": "true"})
        assert await stage.sender.push({**message, "Message": "false"}) == 403
        assert await stage.sender.push({**message, "Signature": ""}) == 403
        elsewhere = "https://sns.eu-west-2.amazonaws.com.evil.example/a.pem"
        assert await stage.sender.push({**message, "SigningCertURL": elsewhere}) == 403
    assert stage.session.landed == []


async def test_a_foreign_topic_is_refused_and_its_subscription_not_confirmed(
    tmp_path: Path,
) -> None:
    async with a_stage(tmp_path, topic=FOREIGN) as stage:
        assert await stage.sender.subscribe() == 403
        assert await stage.sender.publish("hello") == 403
        assert not stage.sender.confirmed.is_set()
    assert stage.session.landed == []


async def test_a_subscribe_url_elsewhere_is_not_visited(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        confirmation = {
            "Type": "SubscriptionConfirmation",
            "Token": "t",
            "Message": "m",
            "SubscribeURL": "https://evil.example/?Action=ConfirmSubscription",
        }
        assert await stage.sender.push(stage.sender.signed(confirmation)) == 403
        # SNS's own, but it does not know the token: it is asked to send again.
        wrong = {**confirmation, "SubscribeURL": f"{stage.sender.host}/?Action=ConfirmSubscription"}
        stage.sender.retries = 0
        assert await stage.sender.push(stage.sender.signed(wrong)) == 503
        assert not stage.sender.confirmed.is_set()


async def test_an_unsubscription_is_taken_note_of_and_not_undone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage(tmp_path) as stage:
        query = f"Action=ConfirmSubscription&TopicArn={TOPIC}&Token={stage.sender._token}"
        message = {
            "Type": "UnsubscribeConfirmation",
            "Token": "t",
            "Message": "m",
            "SubscribeURL": f"{stage.sender.host}/?{query}",
        }
        assert await stage.sender.push(stage.sender.signed(message)) == 200
        assert not stage.sender.confirmed.is_set()
    assert f"unsubscribed from {TOPIC}" in caplog.text


@pytest.mark.parametrize("age", [timedelta(hours=2), -timedelta(hours=1)])
async def test_a_message_out_of_time_is_refused(tmp_path: Path, age: timedelta) -> None:
    async with a_stage(tmp_path) as stage:
        stamp = (datetime.now(UTC) - age).isoformat()
        message = {"Type": "Notification", "Message": "old", "Timestamp": stamp}
        assert await stage.sender.push(stage.sender.signed(message)) == 403
    assert stage.session.landed == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[]", 400),
        (b"{}", 403),
        (b'{"TopicArn": 5, "Type": null}', 403),
        (b"x" * (FEED.max_body_bytes + 1), 413),
    ],
)
async def test_garbage_is_refused(tmp_path: Path, body: bytes, status: int) -> None:
    async with a_stage(tmp_path) as stage, httpx.AsyncClient(timeout=60) as client:
        headers = {"x-amz-sns-rawdelivery": "true"}
        assert (await client.post(stage.url, content=body, headers=headers)).status_code == status
    assert stage.session.landed == []
    assert stage.failures == []


async def test_a_body_that_never_ends_is_given_up_and_asked_for_again(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        port = int(stage.url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /sns HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        async with asyncio.timeout(60):
            assert b"503" in await reader.readline()
        writer.close()


async def test_an_address_in_use_is_a_failure_of_the_feed(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage:
        with pytest.raises(FeedError, match="can't listen on"):
            await FEED.run(stage.session)
