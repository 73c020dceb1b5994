"""The files of a public bucket that a topic announces: which are wanted, and how one is read.

The feeds receive the announcements.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Protocol

import httpx

from energy_platform.errors import FeedError, RefusedError
from energy_platform.feeds.http import trusted
from energy_platform.feeds.sns.envelope import S3ObjectCreated
from energy_platform.feeds.sns.s3_bucket import (
    BucketUnavailableError,
    FetchedFile,
    ObjectUnreadableError,
    PublicBucket,
)
from energy_platform.market.feed import FeedSession, HistoryChunk
from energy_platform.market.raw_message import RawMessage


class FileReader(Protocol):
    """How the wanted bytes of a file are read from a bucket."""

    def file_of(self, key: str) -> str:
        """Return the key of the file that an object belongs to."""

    async def read(self, bucket: PublicBucket, key: str) -> FetchedFile:
        """Return the content of the file `key` to land."""


@dataclass(frozen=True, kw_only=True)
class WholeFile:
    """Reads a file as a whole.

    Attributes:
        max_bytes: A larger file is not read.
        is_complete: Returns whether a file's bytes have the end that their format requires.
    """

    max_bytes: int
    is_complete: Callable[[bytes], bool]

    def file_of(self, key: str) -> str:
        """Return the key itself."""
        return key

    async def read(self, bucket: PublicBucket, key: str) -> FetchedFile:
        """Return the file.

        Raises:
            ObjectUnreadableError: The file is missing, too large or incomplete.
            BucketUnavailableError: As for `PublicBucket.get`.
        """
        got = await bucket.get(key, max_bytes=self.max_bytes)
        if not self.is_complete(got.body):
            raise ObjectUnreadableError(f"{key} has no end after {len(got.body)} bytes")
        return FetchedFile(got.body, {key: got.etag})


@dataclass(frozen=True, kw_only=True)
class BucketFiles:
    """Some files of a bucket.

    Attributes:
        bucket: The bucket's name.
        keys: Patterns of the files' keys.
        read: How a file is read.
        region: The bucket's region; if None, its address names no region.
        file_seconds: How long the reading of one file may take.
        answer_seconds: How long one answer of S3 may take.
        history_prefix: The beginning of the keys of a UTC day, for `strftime`, if the bucket keeps
            older files.
    """

    bucket: str
    keys: tuple[str, ...]
    read: FileReader
    region: str | None = None
    file_seconds: float = 300.0
    answer_seconds: float = 60.0
    history_prefix: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self, session: FeedSession) -> AsyncIterator[PublicBucket]:
        """Open the bucket."""
        host = ".".join(filter(None, (self.bucket, "s3", self.region, "amazonaws.com")))
        async with httpx.AsyncClient(timeout=self.answer_seconds, verify=trusted()) as client:
            yield PublicBucket(
                client=client,
                address=partial(session.address, f"https://{host}"),
                answer_seconds=self.answer_seconds,
            )

    def announced(self, created: S3ObjectCreated) -> str | None:
        """Return the wanted file that an object belongs to, if it belongs to one."""
        file = self.read.file_of(created.key)
        wanted = created.bucket == self.bucket and self._fits(file)
        return file if wanted else None

    async def read_file(self, bucket: PublicBucket, file: str) -> FetchedFile:
        """Read a file, within the time that one may take."""
        try:
            async with asyncio.timeout(self.file_seconds):
                return await self.read.read(bucket, file)
        except TimeoutError:
            raise BucketUnavailableError(f"{file} took too long to read") from None

    def message(self, file: str, fetched: FetchedFile) -> RawMessage:
        """Return the raw message of a file."""
        context = {"bucket": self.bucket, "key": file, "etag": fetched.versions[file]}
        return RawMessage(body=fetched.body, received_at=datetime.now(UTC), context=context)

    @contextlib.asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        """Open the files of the UTC days that [start, end) touches, as they are in the bucket now.

        The days are those in the files' keys: for a forecast, the days of its runs. No account with
        Amazon is needed. See `HistoricalFeed.history`.
        """
        async with self.opened(session) as bucket:
            try:
                listed = [
                    listing
                    for prefix in self._prefixes(start, end)
                    async for listing in bucket.listing(prefix)
                ]
            except (BucketUnavailableError, ObjectUnreadableError) as error:
                raise FeedError(str(error)) from None
            yield [
                HistoryChunk(key=f"{key} {etag}", fetch=partial(self._fetch, bucket, key))
                for key, etag in listed
                if self.read.file_of(key) == key and self._fits(key)
            ]

    def _fits(self, file: str) -> bool:
        return any(fnmatchcase(file, pattern) for pattern in self.keys)

    def _prefixes(self, start: datetime, end: datetime) -> Iterator[str]:
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while self.history_prefix is not None and day < end:
            yield day.strftime(self.history_prefix)
            day += timedelta(days=1)

    async def _fetch(self, bucket: PublicBucket, file: str) -> Sequence[RawMessage]:
        try:
            return [self.message(file, await self.read_file(bucket, file))]
        except ObjectUnreadableError as error:
            raise RefusedError(str(error)) from None
        except BucketUnavailableError as error:
            raise FeedError(str(error)) from None
