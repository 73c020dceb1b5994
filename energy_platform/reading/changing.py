"""New rows: from the warehouse by cursor, and as the platform receives them."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from energy_platform.errors import MissingExtraError, UsageError
from energy_platform.reading.changes import Changes, Cursor
from energy_platform.reading.choice import require_count
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import dataset
from energy_platform.reading.where import Where

if TYPE_CHECKING:
    from energy_platform.reading.update import Update

_MOST_ROWS: Final = 1_000_000


class Changing(Connected):
    """Questions about what is new."""

    def changes(self, name: str, *, since: str | None = None, limit: int = _MOST_ROWS) -> Changes:
        """Return a source's rows since a cursor, in landing order, every revision of them.

        Each row is delivered at least once to who keeps the cursor of what is handled. No process
        need run; `follow` brings rows sooner.

        Args:
            name: A market source's name.
            since: The cursor of the last changes that were handled; the table's first row, unless
                given.
            limit: About how many rows at most; those of one message come together.

        Returns:
            The rows, with the source's columns, `received_at` and `landing_offset`, and the next
            cursor. After a replay, which replaces rows, the feed begins anew, and says so.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: It is a mart, which is rebuilt and has no changes; `since` is no cursor of
                this source; or `limit` is no number of rows.

        >>> import energy_platform as ep
        >>> first = ep.changes("ote_day_ahead_price")
        >>> first.rows["landing_offset"][0]
        0
        >>> ep.changes("ote_day_ahead_price", since=first.cursor).rows.is_empty()
        True
        """
        about = dataset(name)
        if about.kind == "mart":
            raise UsageError(f"{name} is a mart: it is rebuilt, and its sources have changes")
        require_count(limit, "limit")
        tables = self.place.warehouse()
        position = tables.position(about.table)
        begin = Cursor(table=name, offset=0, replacements=position.replacements)
        place = begin if since is None else Cursor.read(since, name)
        is_replay = place.replacements != position.replacements
        place = begin if is_replay else place
        offset = pl.col("landing_offset")
        stored = tables.scan(about.table).filter(offset >= place.offset, offset < position.offset)
        stop = _stop(stored, limit, position.offset)
        rows = stored.filter(offset < stop).sort(offset, maintain_order=True).collect()
        return Changes(
            rows=rows,
            cursor=str(replace(place, offset=stop)),
            is_replay=is_replay,
            is_last=stop == position.offset,
        )

    def follow(
        self,
        sources: str | Iterable[str],
        *,
        where: Where | None = None,
        since: str | None = None,
        address: str | None = None,
        token: str | None = None,
    ) -> "AsyncGenerator[Update, None]":
        """Yield the rows of market sources as the platform receives them, for ever.

        Each row comes once its point is in the hot store, some 0.3 s after it was received. Every
        row is delivered at least once: what was missed, because this follower was away or too slow
        or the live bus was down, comes again as a snapshot, or a gap says that it could not be
        read. Close the iterator (`contextlib.aclosing`) to disconnect.

        Args:
            sources: A source's name, or several, as `catalog` lists them.
            where: Only rows with these values in key columns: `{"side": "BUY"}`, or several values,
                `{"contract_id": ["a", "b"]}`. Every source must have the columns. While
                only other rows come, an update without rows brings a newer cursor each minute.
            since: The cursor of the last update that was handled; it stays good for two hours, and
                leads to a snapshot after that. Without it, and for sources that it does not have,
                only rows from now on are yielded.
            address: The address of a dashboard on another machine, `http://desk.example.com:3070`,
                whose platform is followed; the platform of this home, unless given.
            token: A token of scope `read`, where that dashboard has a login.

        Yields:
            Updates. Their `rows` have the source's columns (units in their names), `received_at`
            and `landing_offset`. Instants are UTC.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: `where` names a column that is not in a source's key, or a value of another
                type; `since` is no cursor; or the live bus's client is not installed.
            LiveBusUnavailableError: No platform runs, or its live bus is down. Once the first
                update has been waited for, the bus may be down: it is tried again and again.

        >>> import energy_platform as ep
        >>> async def print_trades(cursor: str | None) -> None:
        ...     trades = ep.follow("nord_pool_intraday_trade", since=cursor)
        ...     async for update in trades:
        ...         print(update.kind, update.rows.select("observed_at", "price_eur_per_mwh"))
        ...         cursor = update.cursor  # keep it, to resume from here
        >>> ep.follow(["nord_pool_intraday_trade"], where={"price": 1})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        energy_platform.errors.UsageError: nord_pool_intraday_trade has no key column 'price'; ...
        """
        try:
            from energy_platform.reading.following import followed, updates_here
            from energy_platform.reading.remote_following import remote_updates
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "", "follow") from error
        if not isinstance(sources, Iterable):
            raise UsageError(f"name the sources to follow, not {sources!r}")
        names = [sources] if isinstance(sources, str) else sources
        chosen = followed(names, where or {}, since)
        if address is not None:
            found = {name: one.source for name, one in chosen.items()}
            return remote_updates(found, where or {}, since, address, token)
        return updates_here(self.place.settings, chosen, since)


def _stop(stored: pl.LazyFrame, limit: int, end: int) -> int:
    """Return the offset before which there are `limit` rows at most, or those of one message."""
    counts = stored.group_by("landing_offset").agg(rows=pl.len()).sort("landing_offset")
    beyond = counts.filter(pl.col("rows").cum_sum() > limit).head(2).collect()
    if beyond.is_empty():
        return end
    first = int(beyond["landing_offset"][0])
    if int(beyond["rows"][0]) <= limit:
        return first
    before = counts.filter(pl.col("landing_offset") < first).head(1).collect()
    return first if before.height else first + 1
