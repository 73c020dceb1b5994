"""Serves sources that use SNS: their cases' payloads, announced by a topic to a queue or by HTTP.

A payload is an object of a bucket, announced by an event of S3. For a source that takes the
notifications themselves, it is the message of a notification.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from energy_platform.feeds.sns.bucket_files import BucketFiles
from energy_platform.feeds.sns.endpoint import SnsEndpointFeed
from energy_platform.feeds.sns.queue import SnsQueueFeed
from simulator.recorded.cases import Case, Script
from simulator.sns_sender import SnsSender
from simulator.world import World

_REGION_PART: Final = 3
_RETRIES: Final = 1_800
_RETRY_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05


class SnsQueueStandIn:
    """A bucket, the topic that announces its objects, and the queue that the topic feeds."""

    def __init__(self, world: World, script: Script, feed: SnsQueueFeed, url: str) -> None:
        del url
        self._world = world
        self._script = script
        self._feed = feed
        self._queue = script.source.name

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the bucket and the queue."""
        amazon = self._world.amazon_url
        return {
            self._feed.queue_variable: self._queue,
            f"https://{self._feed.bucket}.s3.amazonaws.com": f"{amazon}/{self._feed.bucket}",
            f"https://sqs.{_region(self._feed.topic_arn)}.amazonaws.com": amazon,
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: Amazon has a port of its own."""
        return []

    async def run(self) -> None:
        """Put one object after the other, each announced, and serve until cancelled."""
        # moto takes two seconds to import; only the running simulator should pay.
        from simulator import announced_bucket  # noqa: PLC0415

        async with announced_bucket.running(
            self._world,
            bucket=self._feed.bucket,
            topic=self._feed.topic_arn.rpartition(":")[2],
            queue=self._queue,
            region=_region(self._feed.topic_arn),
            next_fault=lambda: None,
        ) as cloud:
            names = _numbered(self._feed.keys)
            for case in self._script.cases:
                # A queue keeps no order: a correction follows once the first values have landed.
                while not cloud.is_taken():
                    await asyncio.sleep(_LOOK_SECONDS)
                self._script.say(case)
                for payload in case.payloads:
                    key, body = _own_key(case) or next(names), payload.read_bytes()
                    await asyncio.to_thread(cloud.put, key, body)
                    await asyncio.to_thread(cloud.announce, key, body)
            await asyncio.Event().wait()


class SnsEndpointStandIn:
    """A topic that pushes to where the source listens, and the bucket of what it announces."""

    def __init__(self, world: World, script: Script, feed: SnsEndpointFeed, url: str) -> None:
        self._world = world
        self._script = script
        self._feed = feed
        self._url = url
        self._topic_arn = feed.topic_arns[0]
        self._sender = SnsSender(
            topic_arn=self._topic_arn,
            endpoint=lambda: world.endpoint(script.source.name),
            retries=_RETRIES,
            retry_seconds=_RETRY_SECONDS,
        )

    def addresses(self) -> Mapping[str, str]:
        """Stand in for SNS and the bucket, and let the source listen on any free port."""
        place = urlsplit(self._feed.listen)
        files = self._feed.files
        region = f".{files.region}" if files is not None and files.region else ""
        bucket = (
            {}
            if files is None
            else {
                f"https://{files.bucket}.s3{region}.amazonaws.com": (
                    f"{self._world.amazon_url}/{files.bucket}"
                )
            }
        )
        return {
            **bucket,
            f"https://sns.{_region(self._topic_arn)}.amazonaws.com": self._url,
            f"{place.scheme}://{place.netloc}": f"http://{self._world.collector_host}:0",
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return what SNS serves itself."""
        return self._sender.routes()

    async def run(self) -> None:
        """Confirm the subscription, push one notification after the other, and wait."""
        files = self._feed.files
        if files is None:
            await self._push_payloads()
        else:
            await self._push_files(files)

    async def _push_files(self, files: BucketFiles) -> None:
        """Put one object after the other, have each announced, and serve them until cancelled."""
        # moto takes two seconds to import; only the running simulator should pay.
        from simulator import announced_bucket  # noqa: PLC0415

        region = files.region or announced_bucket.US_EAST
        async with announced_bucket.a_bucket(self._world, files.bucket, region=region) as put:
            names = _numbered(files.keys[0])
            await self._subscribed()
            for case in self._script.cases:
                self._script.say(case)
                for payload in case.payloads:
                    event = await put(_own_key(case) or next(names), payload.read_bytes())
                    await self._sender.publish(json.dumps(event), subject="Amazon S3 Notification")
            await asyncio.Event().wait()

    async def _push_payloads(self) -> None:
        """Push each payload: the message in its envelope, or the payload itself."""
        await self._subscribed()
        for case in self._script.cases:
            self._script.say(case)
            for payload in case.payloads:
                await self._sender.publish(_message(payload.read_text()))

    async def _subscribed(self) -> None:
        await self._sender.subscribe()
        await self._sender.confirmed.wait()


def _message(text: str) -> str:
    """Return the message of a recorded envelope; of any other text the text itself."""
    try:
        envelope = json.loads(text)
    except ValueError:
        return text
    is_envelope = isinstance(envelope, dict) and envelope.get("Type") == "Notification"
    return str(envelope["Message"]) if is_envelope else text


def _region(topic_arn: str) -> str:
    return topic_arn.split(":")[_REGION_PART]


def _own_key(case: Case) -> str | None:
    return case.context.get("key")


def _numbered(pattern: str) -> Iterator[str]:
    """Yield keys that fit a pattern: each star a number, each question mark a digit of it."""
    for number in itertools.count(1):
        marks = iter(f"{number:0{max(1, pattern.count('?'))}}")
        key = pattern.replace("*", f"{number:04}")
        yield "".join(next(marks) if letter == "?" else letter for letter in key)
