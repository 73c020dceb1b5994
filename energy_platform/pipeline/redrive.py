"""Runs quarantined messages again after a parser or a check was corrected, exactly once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.replay import ReplayReport, replay
from energy_platform.pipeline.tables import market_table

_GAP: Final = 32
"""Quarantined messages closer than this are read together with the ones between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveReport:
    """What one redrive did.

    Attributes:
        source: The market source's name.
        lines_before: Lines in quarantine before: rows, and messages that couldn't be parsed.
        lines_after: Lines in quarantine afterwards.
        replay: The replay that followed; None if everything fails as before.
    """

    source: str
    lines_before: int
    lines_after: int
    replay: ReplayReport | None


def redrive(batches: MicroBatches, source: MarketSource) -> RedriveReport:
    """Move rows that are good by now from a source's quarantine to its tables.

    The quarantined messages alone are parsed and checked first. If each fails as before, nothing is
    written. Otherwise everything is replayed from the first message that no longer fails, because a
    row that comes back may turn later rows into revisions or repetitions. The tables are then as if
    the fix had always been there, `received_at` included. So a second redrive changes nothing, and
    one that was killed is simply run again.

    Messages that were set aside are tried too. Only messages in quarantine are read. If a fix also
    changes rows that had passed, in messages before the first repaired one, use `replay`.

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        ReplayOvertakenError: Another replay of this source has begun.
    """
    position = batches.warehouse.position(market_table(source))
    batches.set_aside.forget(source.name, before=position.offset)
    quarantine = QuarantineWriter(batches.warehouse, source)
    lines = quarantine.lines()
    batches.landing.log(source.name).end_offset(taken=position.offset)
    processed = lines.filter(pl.col("landing_offset") < position.offset)
    # An interrupted replay is continued, whatever is in quarantine.
    starts = [position.stale_from, _first_changed(batches, source, processed)]
    start = min((one for one in starts if one is not None), default=None)
    done = None if start is None else replay(batches, source, start=start)
    return RedriveReport(
        source=source.name,
        lines_before=lines.height,
        lines_after=quarantine.lines().height,
        replay=done,
    )


def _first_changed(batches: MicroBatches, source: MarketSource, lines: pl.DataFrame) -> int | None:
    """Return the first quarantined message that no longer fails as `lines` say."""
    for checked in _checked_again(batches, source, lines):
        offsets = [message.landing_offset for message in checked.messages]
        before = lines.filter(pl.col("landing_offset") < offsets[0])
        said = lines.filter(pl.col("landing_offset").is_in(offsets))
        says = new_failures(checked.quarantined, before)
        both = pl.concat([said, says])
        changed: int | None = both.filter(both.is_unique()).select("landing_offset").min().item()
        if changed is not None:
            return changed
    return None


def _checked_again(
    batches: MicroBatches, source: MarketSource, lines: pl.DataFrame
) -> Iterator[CheckedRows]:
    """Parse and check the quarantined messages, in landing order."""
    for messages in _quarantined_messages(batches, source, lines):
        left: Sequence[RawMessage] = messages
        while left:
            checked = batches.check(source, left)
            left = left[len(checked.messages) :]
            yield checked


def _quarantined_messages(
    batches: MicroBatches, source: MarketSource, lines: pl.DataFrame
) -> Iterator[list[RawMessage]]:
    """Read the quarantined messages, in landing order and in pieces that fit in memory."""
    offset = pl.col("offset")
    runs = (
        lines.select(offset=pl.col("landing_offset").unique().sort())
        .group_by(run=(offset.diff() > _GAP).fill_null(value=False).cum_sum(), maintain_order=True)
        .agg(offset, first=offset.min(), last=offset.max())
    )
    for _, wanted, first, last in runs.iter_rows():
        reached = first
        while reached <= last:
            messages = batches.read_batch(source, reached, last + 1)
            reached = messages[-1].next_offset
            if quarantined := [
                one for one in messages if one.landing_offset in set(wanted) and one.lost is None
            ]:
                yield quarantined
