"""The one writer of quarantine, for micro-batches, hot copies and replays.

`quarantine.new_failures` decides which lines are new. A writer that finds another one was faster
raises `CommitConflictError`; its caller runs the step again.
"""

from dataclasses import dataclass

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.tables import quarantine_table
from energy_platform.storage.warehouse.protocol import Position, Warehouse


@dataclass(frozen=True, slots=True)
class QuarantineWriter:
    """Writes one source's failed rows and messages to its quarantine in a warehouse."""

    warehouse: Warehouse
    source: MarketSource

    def position(self) -> Position:
        """Return the position of the quarantine's table."""
        return self.warehouse.position(quarantine_table(self.source))

    def lines(self) -> pl.DataFrame:
        """Return all lines in quarantine."""
        return self.warehouse.scan(quarantine_table(self.source)).collect()

    def append(self, failures: pl.DataFrame, *, stop: int) -> None:
        """Add the new failures of a batch up to landing offset `stop`.

        A batch without failures costs no commit. If a batch died after this step, its lines are
        there already, and it may have been a larger batch.
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
        """Add failures at landing offsets that may have been committed before, once each."""
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
        """Replace the lines at these landing offsets by today's failures.

        A replay that reaches the end also removes lines that running batches have added beyond the
        end: those batches compared themselves with the old quarantine, and will run again.
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
