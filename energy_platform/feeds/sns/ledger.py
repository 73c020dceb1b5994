"""A feed's ledger: what it has landed and which announced files it must still fetch.

The ledger is part of the cursor. An announcement is recorded in the same segment that lands it, so
it may be acknowledged before its file is fetched: a restarted feed fetches the files that wait.
"""

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from energy_platform.errors import FeedError
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
        kept = _read(session.cursor)
        self.landed = Fingerprints.load(json.dumps(kept[_LANDED]), capacity=remembered)
        self.waiting: Mapping[str, str] = dict(kept[_WAITING])

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


def _read(cursor: str | None) -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(cursor or "{}")
        return {_LANDED: kept.get(_LANDED, []), _WAITING: dict(kept.get(_WAITING, {}))}
    except (ValueError, TypeError, AttributeError):
        raise FeedError(f"the cursor {cursor!r:.80} is not a ledger") from None
