"""Files announced by an SNS topic through an SQS queue: event, fetch, land, delete.

An event only hints that an object has changed; the feed lands the object as it is when it is read.
Redelivered or disordered events, or an inventory announced before its file, therefore do no harm. A
message is deleted only after the object that it announces has landed.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakValueDictionary

from energy_platform.errors import FeedError, ParseError
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.sns.bucket_files import BucketFiles, FileReader
from energy_platform.feeds.sns.envelope import S3ObjectCreated, s3_objects_created
from energy_platform.feeds.sns.fingerprints import Fingerprints
from energy_platform.feeds.sns.s3_bucket import (
    BucketUnavailableError,
    FetchedFile,
    ObjectUnreadableError,
    PublicBucket,
)
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.feed import FeedSession, HistoryChunk, WireProtocol
from energy_platform.market.raw_message import RawMessage

if TYPE_CHECKING:
    from energy_platform.feeds.sns.sqs import Queue, QueuedMessage

_log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS: Final = 900.0


@dataclass(frozen=True, kw_only=True)
class SnsQueueFeed:
    """Files of a public S3 bucket whose SNS topic feeds an SQS queue.

    The queue belongs to the user, and is subscribed to the topic with or without raw delivery; AWS
    credentials come from where AWS tools look for them. Its redrive policy, if any, must allow more
    receives than `max_receives`.

    Attributes:
        topic_arn: The topic that announces the files.
        queue_variable: Environment variable with the queue's URL, or with its name if it lies in
            the topic's region.
        bucket: The bucket's name.
        keys: Pattern of the files' keys.
        read: How a file is read.
        max_in_flight: How many messages are worked on at once.
        max_receives: After how many receives a message whose file can't be read is landed as it is,
            for the parser to refuse and the quarantine to keep. An outage of S3 does not count.
        wait_seconds: How long one long poll may last.
        visibility_seconds: How long a received message is hidden; extended while it is worked on.
        file_seconds: How long the reading of one file may take.
        answer_seconds: How long one answer of S3 may take.
        retry_seconds: Pause before a message is tried again; doubled each time.
        remembered: How many object versions are remembered as landed.
        history_prefix: The beginning of the keys of a UTC day, for `strftime`, if the bucket keeps
            older files.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.SNS

    topic_arn: str
    queue_variable: str
    bucket: str
    keys: str
    read: FileReader
    max_in_flight: int = 4
    max_receives: int = 10
    wait_seconds: int = 20
    visibility_seconds: int = 60
    file_seconds: float = 300.0
    answer_seconds: float = 60.0
    retry_seconds: float = 5.0
    remembered: int = 512
    history_prefix: str | None = None

    async def run(self, session: FeedSession) -> None:
        """Carry files until cancelled.

        Raises:
            FeedError: SQS can't be reached or refuses to answer.
        """
        # Imported here, because it takes half a second that only this feed's process should spend.
        from energy_platform.feeds.sns.sqs import open_queue  # noqa: PLC0415

        async with (
            open_queue(
                session,
                variable=self.queue_variable,
                region=self.topic_arn.split(":")[3],
                wait_seconds=self.wait_seconds,
            ) as queue,
            self.files.opened(session) as bucket,
        ):
            await _Run(self, session, queue, bucket).carry()

    @property
    def keeps_history(self) -> bool:
        """Whether the bucket keeps older files."""
        return self.history_prefix is not None

    @property
    def files(self) -> BucketFiles:
        """The files that the topic announces."""
        return BucketFiles(
            bucket=self.bucket,
            keys=(self.keys,),
            read=self.read,
            file_seconds=self.file_seconds,
            answer_seconds=self.answer_seconds,
            history_prefix=self.history_prefix,
        )

    def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AbstractAsyncContextManager[Sequence[HistoryChunk]]:
        """Open the bucket's files of the UTC days that [start, end) touches, without the queue.

        See `BucketFiles.history`.
        """
        return self.files.history(session, start, end)


class _Run:
    """One run of the feed: what it remembers and which messages it works on."""

    def __init__(
        self, feed: SnsQueueFeed, session: FeedSession, queue: "Queue", bucket: PublicBucket
    ) -> None:
        self._feed = feed
        self._session = session
        self._queue = queue
        self._bucket = bucket
        self._landed = read_or_begin_anew(
            session.source_name,
            session.cursor,
            partial(Fingerprints.load, capacity=feed.remembered),
        )
        self._landing = asyncio.Lock()
        self._files: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def carry(self) -> None:
        """Receive and handle messages, never more at once than the feed allows."""
        most = self._feed.max_in_flight
        working: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    if len(working) >= most:
                        await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                    working = {task for task in working if not task.done()}
                    received = await self._queue.receive(
                        most - len(working),
                        wait_seconds=self._feed.wait_seconds,
                        visibility_seconds=self._feed.visibility_seconds,
                    )
                    working |= {group.create_task(self._handle(message)) for message in received}
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _handle(self, message: "QueuedMessage") -> None:
        """Fetch a message's files, then delete the message; or put it off, or set it aside."""
        try:
            async with self._kept_hidden(message):
                if _fingerprint(message.message_id) not in self._landed:
                    await self._carry_announced(message)
        except (ObjectUnreadableError, ParseError) as error:
            hopeless = isinstance(error, ParseError) or message.receives >= self._feed.max_receives
            if not hopeless:
                await self._put_off(message, str(error))
                return
            await self._set_aside(message, str(error))
        except BucketUnavailableError as error:
            await self._put_off(message, str(error))
            return
        await self._queue.delete(message)

    async def _carry_announced(self, message: "QueuedMessage") -> None:
        announced = s3_objects_created(message.body)
        if not announced:
            _log.info("%s: an event announces no object, ignored", self._session.source_name)
        for created in announced:
            if file := self._feed.files.announced(created):
                await self._carry_file(file, created)

    async def _carry_file(self, file: str, created: S3ObjectCreated) -> None:
        """Land a file as it is now, unless the announced version has landed already.

        The events of a file and of its inventory come close together; the second waits for the
        first, and then has nothing left to do.
        """
        async with self._files.setdefault(file, asyncio.Lock()):
            if _version(created.key, created.etag) in self._landed:
                return
            await self._land(file, await self._feed.files.read_file(self._bucket, file))

    async def _land(self, file: str, fetched: FetchedFile) -> None:
        """Land a file, unless these very bytes have landed, and remember it.

        One task at a time, so that a cursor never claims what another task has yet to land.
        """
        content = _fingerprint(file, sha256(fetched.body).hexdigest())
        versions = [_version(key, etag) for key, etag in fetched.versions.items()]
        async with self._landing:
            known = self._landed.adding([content, *versions])
            if content not in self._landed:
                await self._session.land(
                    [self._feed.files.message(file, fetched)], cursor=known.dump()
                )
                _log.info("%s: %s landed", self._session.source_name, file)
            self._landed = known

    async def _set_aside(self, message: "QueuedMessage", reason: str) -> None:
        """Land a message that can't be followed, so that the quarantine keeps it."""
        _log.error("%s: an event is set aside: %s", self._session.source_name, reason)
        async with self._landing:
            known = self._landed.adding([_fingerprint(message.message_id)])
            aside = _now(message.body.encode(), {"unreadable": reason})
            await self._session.land([aside], cursor=known.dump())
            self._landed = known

    async def _put_off(self, message: "QueuedMessage", reason: str) -> None:
        """Hide a message for a time that doubles with each receive."""
        pause = pause_seconds(
            message.receives,
            first_seconds=self._feed.retry_seconds,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
        )
        # An event often comes a moment before the file's other half, so this is not logged as a
        # problem.
        _log.log(
            logging.WARNING if message.receives > 1 else logging.INFO,
            "%s: try %d failed, next in %.0f s: %s",
            self._session.source_name,
            message.receives,
            pause,
            reason,
        )
        await self._queue.hide(message, pause)

    @contextlib.asynccontextmanager
    async def _kept_hidden(self, message: "QueuedMessage") -> AsyncIterator[None]:
        """Keep a message hidden from others for as long as it is worked on."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(self._feed.visibility_seconds / 2)
                try:
                    await self._queue.hide(message, self._feed.visibility_seconds)
                except FeedError as error:
                    # Others may then receive it too, which does no harm.
                    _log.warning("%s: %s", self._session.source_name, error)

        extending = asyncio.create_task(extend())
        try:
            yield
        finally:
            extending.cancel()
            await asyncio.wait([extending])


def _now(body: bytes, context: dict[str, str]) -> RawMessage:
    return RawMessage(body=body, received_at=datetime.now(UTC), context=context)


def _fingerprint(*parts: str) -> bytes:
    return "\0".join(parts).encode()


def _version(key: str, etag: str) -> bytes:
    return _fingerprint(key, etag)
