"""A bounded set of fingerprints of things seen, small enough for a feed's cursor."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from energy_platform.errors import FeedError

_DIGEST_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The newest `capacity` things that were seen, oldest first; a value, never changed.

    Two of a few thousand things have the same 64-bit fingerprint once in 10¹² lives of a feed.

    >>> seen = Fingerprints.load(None, capacity=2).adding([b"a", b"b", b"c"])
    >>> b"a" in seen, b"c" in seen, b"c" in Fingerprints.load(seen.dump(), capacity=2)
    (False, True, True)
    """

    capacity: int
    digests: dict[str, None]

    @classmethod
    def load(cls, cursor: str | None, *, capacity: int) -> Self:
        """Read the result of `dump`; without a cursor, nothing has been seen.

        Raises:
            FeedError: The cursor has another form.
        """
        try:
            digests = json.loads(cursor) if cursor is not None else []
            return cls(capacity, dict.fromkeys(digests[-capacity:]))
        except (ValueError, TypeError):
            raise FeedError(f"the cursor {cursor!r:.80} is not a list of fingerprints") from None

    def dump(self) -> str:
        """Return the fingerprints as a cursor."""
        return json.dumps(list(self.digests), separators=(",", ":"))

    def adding(self, things: Iterable[bytes]) -> Self:
        """Return the fingerprints with `things` as the newest, without the oldest."""
        new = dict.fromkeys(map(_digest, things))
        kept = [digest for digest in self.digests if digest not in new]
        return type(self)(self.capacity, dict.fromkeys([*kept, *new][-self.capacity :]))

    def __contains__(self, thing: bytes) -> bool:
        return _digest(thing) in self.digests


def _digest(thing: bytes) -> str:
    return blake2b(thing, digest_size=_DIGEST_BYTES).hexdigest()
