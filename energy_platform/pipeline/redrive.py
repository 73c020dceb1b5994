"""Runs what is in quarantine again after a parser or a check was mended, exactly once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.quarantine import new_failures
from energy_platform.pipeline.quarantine_writer import QuarantineWriter
from energy_platform.pipeline.replay import ReplayReport, replay
from energy_platform.pipeline.tables import market_table

_GAP: Final = 32
"""Quarantined messages at most so far apart are read together with the ones between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveReport:
    """What one redrive did.

    Attributes:
        source: The market source's name.
        lines_before: What was in quarantine: rows, and messages that couldn't be parsed.
        lines_after: What is left in it.
        replay: The replay that followed; None where everything fails as before.
    """

    source: str
    lines_before: int
    lines_after: int
    replay: ReplayReport | None


def redrive(batches: MicroBatches, source: MarketSource) -> RedriveReport:
    """Bring rows that are good by now from a source's quarantine to where they belong.

    The quarantined messages alone are parsed and checked first. Where each fails as before,
    nothing is written. Otherwise all is replayed from the first one that doesn't: a row that
    comes back may make others after it a revision or a repetition. The tables are then what they
    would be had the fix always been there, `received_at` and all; so a second redrive changes
    nothing, and one that was killed is simply run again.

    Only messages in quarantine are looked at. Where a fix also changes rows that had passed, in
    messages before the first one fixed, `replay` is what is needed.

    Raises:
        CommitConflictError: Others kept committing to the same table at the same time.
        ReplayOvertakenError: Another replay of this source has begun.
    """
    position = batches.warehouse.position(market_table(source))
    quarantine = QuarantineWriter(batches.warehouse, source)
    lines = quarantine.lines()
    processed = lines.filter(pl.col("landing_offset") < position.offset)
    # A replay that was cut off goes on, whatever the quarantine says.
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
    for messages in _quarantined_messages(batches, source, lines):
        offsets = [message.landing_offset for message in messages]
        before = lines.filter(pl.col("landing_offset") < offsets[0])
        said = lines.filter(pl.col("landing_offset").is_in(offsets))
        says = new_failures(check_messages(source, messages).quarantined, before)
        both = pl.concat([said, says])
        changed: int | None = both.filter(both.is_unique()).select("landing_offset").min().item()
        if changed is not None:
            return changed
    return None


def _quarantined_messages(
    batches: MicroBatches, source: MarketSource, lines: pl.DataFrame
) -> Iterator[list[RawMessage]]:
    """Read the messages that have a line, in landing order and in pieces that fit the memory."""
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
            reached += len(messages)
            if quarantined := [one for one in messages if one.landing_offset in set(wanted)]:
                yield quarantined
