"""What every live bus promises, whichever system implements it.

Each source has a stream of its own. Rows are delivered at least once and in landing order. A
follower resumes from a cursor for an hour or more. The bus is bounded: a follower that is too slow,
or was away for too long, gets a `Gap` in place of the rows that it missed.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows of one source.

    Attributes:
        source: The source's name.
        rows: The rows, as the source's table has them.
        cursor: Where to resume after this message.
    """

    source: str
    rows: pl.DataFrame
    cursor: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of one source may have been missed, or its hot copy was made again.

    It is also the first message of a source that nothing was published of before. The follower goes
    on with what is published from now on. It should read the hot store once: that has all rows
    before the next ones.

    Attributes:
        source: The source's name.
        since: The first landing offset of which rows may be missing.
        cursor: Where to resume after this message.
    """

    source: str
    since: int
    cursor: str


Message = Rows | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a bus knows of itself; None where it does not.

    Attributes:
        entries: How many entries it keeps.
        used_bytes: The memory that they and all else take.
        bound_bytes: How much that may be.
        followers: How many connections follow it.
        dropped_followers: How many it has disconnected, since it began, because they were too slow.
    """

    entries: int | None = None
    used_bytes: int | None = None
    bound_bytes: int | None = None
    followers: int | None = None
    dropped_followers: int | None = None


OnLink = Callable[[str | None], None]
"""Called with why the bus does not answer a follower, and with None when it answers again."""


class LiveBus(Protocol):
    """A bus of new rows, one stream per source."""

    def publish(self, source: str, rows: pl.DataFrame, *, copy: str, offsets: range) -> None:
        """Publish the rows of a range of landing offsets, once the hot store has them.

        A range is published although it has no rows, since followers find missed rows by the
        offsets between two ranges. A range without offsets says how far the
        hot store is.

        Args:
            source: The source's name; one publisher at a time publishes its rows.
            rows: The new rows, with their landing offsets.
            copy: The name of the hot copy, which changes when the copy is made again.
            offsets: The landing offsets that the rows are from.

        Raises:
            LiveBusUnavailableError: The bus is down; followers will get a `Gap`.
        """

    def figures(self) -> Figures:
        """Return what the bus knows of itself.

        Raises:
            LiveBusUnavailableError: The bus is down.
        """

    async def require(self) -> None:
        """Check that the bus can be followed.

        Raises:
            LiveBusUnavailableError: It is down, or was never there.
        """

    def follow(
        self,
        sources: Iterable[str],
        cursor: str | None = None,
        *,
        on_link: OnLink | None = None,
        gather_seconds: float = 0.0,
    ) -> AsyncGenerator[Message, None]:
        """Yield what is published of these sources, for ever.

        While the bus is down, it is tried again and again. Close the generator
        (`contextlib.aclosing`) to disconnect.

        Args:
            sources: The sources' names.
            cursor: The cursor of the last message that was handled. Sources that it does not have,
                and all without a cursor, are followed from now on.
            on_link: Called when the bus is lost, and when it answers again or for the first time.
            gather_seconds: How long news may be gathered where that saves the reader work.

        Raises:
            UsageError: The cursor is none.
        """
