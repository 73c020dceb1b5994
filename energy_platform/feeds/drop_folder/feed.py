"""A feed of files that are dropped into a folder of the home.

A file is taken once it is whole: renamed into the folder, or unchanged for some seconds. It leaves
the folder once it has landed. The cursor names the files that have landed and may still be there,
so a file lands once, also if the collector is killed before it has removed the file.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from pydantic import TypeAdapter, ValidationError

from energy_platform.errors import FeedError
from energy_platform.feeds.drop_folder.inbox import REFUSED, Inbox, Waiting
from energy_platform.market.feed import FeedSession, WireProtocol
from energy_platform.market.raw_message import RawMessage

_GROUP_FILES: Final = 64
_GROUP_BYTES: Final = 16 * 2**20
_NANOSECONDS: Final = 10**9
_CURSOR: Final = TypeAdapter(list[str])


@dataclass(frozen=True, kw_only=True)
class DropFolderFeed:
    """Takes the files of the source's inbox, in the order in which they came.

    Attributes:
        every: How often the folder is looked at, in wall time: files come from people, not from a
            market.
        settle: How long a file that a person drops stays the same before it is taken.
        settle_cut: The same for a file whose last line has no end: it may still be written.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.FILE

    every: timedelta = timedelta(seconds=0.5)
    settle: timedelta = timedelta(seconds=2)
    settle_cut: timedelta = timedelta(seconds=60)

    async def run(self, session: FeedSession) -> None:
        """Take files until cancelled.

        Raises:
            FeedError: The folder can't be read, or a file that has landed can't be removed.
        """
        inbox = Inbox(session.inbox)
        try:
            await asyncio.to_thread(inbox.create)
            await asyncio.to_thread(inbox.forget_left_behind)
            while True:
                while await self._take(session, inbox):
                    pass
                await asyncio.sleep(self.every.total_seconds())
        except OSError as error:
            raise FeedError(f"{inbox.folder}: {error.strerror}: {error.filename}") from error

    async def _take(self, session: FeedSession, inbox: Inbox) -> bool:
        """Land the next group of files and remove them; return whether there were any."""
        landed = frozenset(_landed(session.cursor))
        group = await asyncio.to_thread(self._group, inbox, landed)
        if not group:
            return False
        messages = [message for _, message in group]
        cursor = json.dumps([one.identity for one, _ in group])
        await session.land(messages, cursor=cursor)
        await asyncio.to_thread(_clear, inbox, group)
        return True

    def _group(self, inbox: Inbox, landed: frozenset[str]) -> list[tuple[Waiting, RawMessage]]:
        """Read the first files that are whole, as many as one landing may have.

        Files that had landed when the collector was killed are removed.
        """
        group: list[tuple[Waiting, RawMessage]] = []
        size = 0
        for one in inbox.waiting():
            if one.identity in landed:
                inbox.remove(one)
                continue
            if len(group) >= _GROUP_FILES or size >= _GROUP_BYTES:
                break
            if not self._is_settled(inbox, one):
                continue
            document = inbox.read(one)
            if document is None:
                continue
            message = RawMessage(
                body=document.body, received_at=datetime.now(UTC), context=document.context
            )
            group.append((one, message))
            size += len(document.body)
        return group

    def _is_settled(self, inbox: Inbox, waiting: Waiting) -> bool:
        if waiting.is_submission:
            return True
        now_ns = datetime.now(UTC).timestamp() * _NANOSECONDS
        age = timedelta(seconds=(now_ns - waiting.came_ns) / _NANOSECONDS)
        wait = self.settle if inbox.is_whole(waiting) else self.settle_cut
        return not timedelta() <= age < wait  # a clock that was put back makes nobody wait


def _landed(cursor: str | None) -> list[str]:
    """Return the identities of the files that landed last."""
    if cursor is None:
        return []
    try:
        return _CURSOR.validate_json(cursor)
    except ValidationError:
        return []


def _clear(inbox: Inbox, landed: Sequence[tuple[Waiting, RawMessage]]) -> None:
    """Remove what has landed; what was not taken whole is kept beside."""
    for waiting, message in landed:
        if REFUSED in message.context:
            inbox.set_aside(waiting)
        else:
            inbox.remove(waiting)
