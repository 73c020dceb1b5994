"""Fetches files that were announced by push, for as long as it takes and over restarts.

SNS waits seconds for an answer and gives up after an hour; fetching a file may take longer. The
endpoint therefore records an announcement in the ledger and acknowledges it; this module fetches
the file afterwards.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from energy_platform.errors import FeedError, ParseError
from energy_platform.feeds.sns.bucket_files import BucketFiles
from energy_platform.feeds.sns.envelope import s3_objects_created
from energy_platform.feeds.sns.ledger import Ledger
from energy_platform.feeds.sns.s3_bucket import (
    BucketUnavailableError,
    ObjectUnreadableError,
    PublicBucket,
)
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.feed import FeedSession
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

ANNOUNCES: Final = "announces"
"""The key in the context of a message that only announces files, which follow as messages."""

_LONGEST_PAUSE_SECONDS: Final = 900.0


@dataclass(frozen=True, kw_only=True)
class FollowUp:
    """How announced files are fetched.

    Attributes:
        concurrency: How many files are fetched at once.
        max_waiting: How many files may wait; further ones are refused, so that SNS announces them
            again.
        tries: After how many tries a missing or unreadable file is landed as an announcement alone,
            for the parser to refuse and the quarantine to keep. An outage of S3 does not count.
        retry_seconds: Pause before the next try; doubled each time.
    """

    concurrency: int = 4
    max_waiting: int = 1_000
    tries: int = 10
    retry_seconds: float = 5.0


@dataclass
class AnnouncedFiles:
    """One run's follow-up of announcements.

    Attributes:
        files: The wanted files.
        how: How they are fetched.
        session: Lands them.
        ledger: Records them.
    """

    files: BucketFiles
    how: FollowUp
    session: FeedSession
    ledger: Ledger
    _due: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _in_hand: set[str] = field(default_factory=set)
    _failures: Counter[str] = field(default_factory=Counter)

    def wanted(self, notification: str) -> Mapping[str, str]:
        """Return the wanted files that a notification announces and their entity tags.

        A file that waits already is tried at once, because it may be there by now.

        Raises:
            ParseError: The notification is no event of S3.
            FeedError: Too many files wait already.
        """
        files = {}
        for created in s3_objects_created(notification):
            file = self.files.announced(created)
            if file is None or _version(created.key, created.etag) in self.ledger.landed:
                continue
            if self.ledger.waiting.get(file) == created.etag:
                self._failures.pop(file, None)
                self._due.put_nowait(file)
            else:
                files[file] = created.etag
        if files and len(self.ledger.waiting) + len(files) > self.how.max_waiting:
            raise FeedError(f"{len(self.ledger.waiting)} announced files wait already")
        return files

    def follow(self, files: Mapping[str, str]) -> None:
        """Fetch files that have been recorded."""
        for file in files:
            self._due.put_nowait(file)

    async def run(self) -> None:
        """Fetch the waiting files, including those from before a restart, until cancelled."""
        self.follow(self.ledger.waiting)
        async with self.files.opened(self.session) as bucket, asyncio.TaskGroup() as group:
            for _ in range(self.how.concurrency):
                group.create_task(self._fetch_for_ever(bucket))

    async def _fetch_for_ever(self, bucket: PublicBucket) -> None:
        while True:
            file = await self._due.get()
            if file in self._in_hand or file not in self.ledger.waiting:
                continue
            self._in_hand.add(file)
            await self._fetch(bucket, file)

    async def _fetch(self, bucket: PublicBucket, file: str) -> None:
        """Land a file as it is now, or put it off, or set its announcement aside."""
        announced = self.ledger.waiting[file]
        try:
            fetched = await self.files.read_file(bucket, file)
        except BucketUnavailableError as error:
            self._put_off(file, str(error))
            return
        except (ObjectUnreadableError, ParseError) as error:
            self._failures[file] += 1
            if self._failures[file] < self.how.tries:
                self._put_off(file, str(error))
            else:
                await self._set_aside(file, announced, str(error))
            return
        content = _fingerprint(file, sha256(fetched.body).hexdigest())
        async with self.ledger.turn:
            news = content not in self.ledger.landed
            versions = [_version(key, etag) for key, etag in fetched.versions.items()]
            current = self.ledger.waiting[file] in (announced, fetched.versions[file])
            await self.ledger.land(
                [self.files.message(file, fetched)] if news else [],
                landed=[content, _version(file, announced), *versions],
                done=[file] if current else [],
            )
        self._finished(file, current=current)
        _log.debug("%s: %s landed", self.session.source_name, file)

    def _put_off(self, file: str, reason: str) -> None:
        self._in_hand.discard(file)
        pause = pause_seconds(
            max(1, self._failures[file]),
            first_seconds=self.how.retry_seconds,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
        )
        _log.warning("%s: next try in %.0f s: %s", self.session.source_name, pause, reason)
        asyncio.get_running_loop().call_later(pause, self._due.put_nowait, file)

    async def _set_aside(self, file: str, etag: str, reason: str) -> None:
        """Land an announcement in place of its file, so that the quarantine keeps it."""
        _log.error("%s: %s is set aside: %s", self.session.source_name, file, reason)
        body = json.dumps({"bucket": self.files.bucket, "key": file, "etag": etag}).encode()
        aside = RawMessage(
            body=body, received_at=datetime.now(UTC), context={"unreadable": reason, "key": file}
        )
        async with self.ledger.turn:
            current = self.ledger.waiting[file] == etag
            done = [file] if current else []
            await self.ledger.land([aside], landed=[_version(file, etag)], done=done)
        self._finished(file, current=current)

    def _finished(self, file: str, *, current: bool) -> None:
        """Forget a file, or fetch it again if it was announced again in the meantime."""
        self._failures.pop(file, None)
        self._in_hand.discard(file)
        if not current:
            self._due.put_nowait(file)


def _fingerprint(*parts: str) -> bytes:
    return "\0".join(parts).encode()


def _version(key: str, etag: str) -> bytes:
    return _fingerprint(key, etag)
