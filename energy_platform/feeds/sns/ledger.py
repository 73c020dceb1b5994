"""A feed's ledger: what it has landed and which announced files it must still fetch.

The ledger is part of the cursor. An announcement is recorded in the same segment that lands it, so
it may be acknowledged before its file is fetched: a restarted feed fetches the files that wait.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from energy_platform.errors import FeedError
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.sns.fingerprints import Fingerprints
from energy_platform.market.feed import FeedSession
from energy_platform.market.raw_message import RawMessage

_LANDED: Final = "landed"
_WAITING: Final = "waiting"


class Ledger:
    """One feed's ledger; a task holds `turn` while it reads the ledger and then lands.

    Attributes:
        landed: What has landed, by the identity that the feed uses.
        waiting: The last announced entity tag of each file that must still be fetched.
        turn: One task at a time, so that a cursor claims no more than what has landed.
    """

    def __init__(self, session: FeedSession, *, remembered: int) -> None:
        self._session = session
        self.turn = asyncio.Lock()
        read = partial(_read, remembered=remembered)
        self.landed, self.waiting = read_or_begin_anew(session.source_name, session.cursor, read)

    async def land(
        self,
        messages: Sequence[RawMessage],
        *,
        landed: Iterable[bytes],
        waiting: Mapping[str, str] | None = None,
        done: Collection[str] = (),
    ) -> None:
        """Land messages and update the ledger, all or nothing.

        Args:
            messages: The messages; none, if only the ledger changes.
            landed: What counts as landed from now on.
            waiting: Files to fetch from now on, with their entity tags.
            done: Files that need no longer be fetched.
        """
        known = self.landed.adding(landed)
        left = {file: etag for file, etag in self.waiting.items() if file not in done}
        left |= waiting or {}
        cursor = json.dumps({_LANDED: list(known.digests), _WAITING: left}, separators=(",", ":"))
        await self._session.land(messages, cursor=cursor)
        self.landed, self.waiting = known, left


def _read(cursor: str | None, *, remembered: int) -> tuple[Fingerprints, Mapping[str, str]]:
    """Return what has landed, and which files must still be fetched."""
    try:
        kept = json.loads(cursor or "{}")
        landed = Fingerprints.load(json.dumps(kept.get(_LANDED, [])), capacity=remembered)
        return landed, dict(kept.get(_WAITING, {}))
    except (ValueError, TypeError, AttributeError):
        raise FeedError(f"the cursor {cursor!r:.80} is not a ledger") from None
