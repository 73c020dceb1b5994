"""The one writer of quarantine: what micro-batches, hot copies and replays put there.

Which line is new is said by `quarantine.new_failures`. Whoever writes and finds that another was
faster raises `CommitConflictError`, and is to be run again.
"""

from dataclasses import dataclass

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.tables import quarantine_table
from energy_platform.storage.warehouse.protocol import Position, Warehouse


@dataclass(frozen=True, slots=True)
class QuarantineWriter:
    """Writes what the checks of one source refuse to its quarantine in a warehouse."""

    warehouse: Warehouse
    source: MarketSource

    def position(self) -> Position:
        """Return where the quarantine stands."""
        return self.warehouse.position(quarantine_table(self.source))

    def lines(self) -> pl.DataFrame:
        """Return all that is in quarantine."""
        return self.warehouse.scan(quarantine_table(self.source)).collect()

    def append(self, failures: pl.DataFrame, *, stop: int) -> None:
        """Add what failed in a batch up to landing offset `stop`, and isn't there yet.

        A batch without failures costs no commit. One that died after this step is there already,
        and it may have been a larger one.
        """
        if failures.is_empty():
            return
        before = self.position()
        later = failures.filter(pl.col("landing_offset") >= before.offset)
        unseen = new_failures(later, self.lines())
        if not unseen.is_empty():
            self.warehouse.commit(
                quarantine_table(self.source),
                unseen,
                start=before.offset,
                stop=stop,
                replacements=before.replacements,
            )

    def insert(self, failures: pl.DataFrame) -> None:
        """Add what failed at landing offsets that may have been committed before, once each."""
        offset, before, stored = pl.col("landing_offset"), self.position(), self.lines()
        unseen = new_failures(failures, stored)
        if unseen.is_empty():
            return
        first, last = unseen.select(first=offset.min(), last=offset.max()).row(0)
        there = stored.filter(offset.is_between(first, last))
        self.warehouse.replace(
            quarantine_table(self.source),
            pl.concat([there, unseen]).sort("landing_offset", maintain_order=True),
            range(first, last + 1),
            before=before,
            after=before.replaced(),
        )

    def replace(
        self, failures: pl.DataFrame, offsets: range, *, to_the_end: bool, before: Position
    ) -> None:
        """Put what fails now in the place of what failed at these landing offsets.

        A replay that reaches the end also takes out what batches under way have put beyond it:
        they left out what they knew of the quarantine as it was, and will come again.
        """
        stored = self.lines()
        unseen = new_failures(failures, stored.filter(pl.col("landing_offset") < offsets.start))
        later = stored.filter(pl.col("landing_offset") >= offsets.start)
        if unseen.is_empty() and later.is_empty():
            return
        beyond = max(offsets.stop, before.offset)
        self.warehouse.replace(
            quarantine_table(self.source),
            unseen,
            range(offsets.start, beyond) if to_the_end else offsets,
            before=before,
            after=before.replaced(offset=offsets.stop if to_the_end else beyond),
        )
