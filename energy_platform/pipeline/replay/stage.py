"""The step between: a range of landed messages becomes a staged file of rows, and of failures.

Pure but for the file: the same landed bytes, code and messages set aside give the same rows, in any
process and any order. So a range may be staged twice, by two machines at the same time, or by one
that takes over from a killed one. Nothing is compared with a table here; `merge` does that.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from energy_platform.errors import ReplayOvertakenError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows, check_messages
from energy_platform.pipeline.micro_batch import BATCH_BYTES
from energy_platform.pipeline.replay.plan import Plan, Share, made_with
from energy_platform.pipeline.replay.staged import StagedFiles
from energy_platform.pipeline.set_aside import SetAside
from energy_platform.storage.landing import LandingZone


def stage(
    zone: LandingZone, source_name: str, plan_id: str, share: Share, *, most_bytes: int
) -> int:
    """Stage one task's ranges of a plan, without those that are staged; return how many are new.

    Args:
        zone: The landing zone.
        source_name: The market source's name.
        plan_id: The plan's id.
        share: Which of its ranges to stage.
        most_bytes: How many bytes all staged files of the zone have together at most. What would
            exceed it is not staged, and the merge makes it itself.

    Raises:
        ReplayOvertakenError: The plan is gone, or this code is not the one that it was made by.
    """
    source, files, staged = market_source(source_name), StagedFiles(zone, source_name), 0
    wanted = made_with(zone, source)
    for offsets in _plan(files, plan_id).share(share):
        found = _plan(files, plan_id)
        if found.made_with != wanted:
            raise ReplayOvertakenError(
                f"the plan {plan_id} of {source_name} was made by other code, or with other"
                " messages set aside: plan again"
            )
        if files.is_staged(found, offsets):
            continue
        if not files.write(found, offsets, checked(zone, source, offsets), most_bytes=most_bytes):
            break
        staged += 1
    return staged


def _plan(files: StagedFiles, plan_id: str) -> Plan:
    plan = files.plan()
    if plan is None or plan.plan_id != plan_id:
        raise ReplayOvertakenError(
            f"the plan {plan_id} of {files.source_name} is merged, or another one has replaced it"
        )
    return plan


def checked(zone: LandingZone, source: MarketSource, offsets: range) -> CheckedRows:
    """Parse and check all messages of a range; the answer holds the messages without their bytes.

    Messages that can't be read are one message with `lost`, which may reach beyond the range.
    """
    set_aside = SetAside(zone.notes).of(source.name)
    parts = []
    for messages in _read(zone, source, offsets):
        left: Sequence[RawMessage] = messages
        while left:
            part = check_messages(source, left, set_aside=set_aside)
            left = left[len(part.messages) :]
            parts.append(replace(part, messages=[replace(one, body=b"") for one in part.messages]))
    return CheckedRows(
        messages=[*itertools.chain.from_iterable(part.messages for part in parts)],
        rows=pl.concat([part.rows for part in parts]),
        quarantined=pl.concat([part.quarantined for part in parts]),
        refused=pl.concat([part.refused for part in parts]),
    )


def _read(zone: LandingZone, source: MarketSource, offsets: range) -> Iterator[list[RawMessage]]:
    """Yield a range's messages, as many at once as a batch takes."""
    log, reached = zone.log(source.name), offsets.start
    log.end_offset(taken=offsets.stop)
    while reached < offsets.stop:
        messages = log.read(reached, offsets.stop, limit_bytes=BATCH_BYTES)
        reached = messages[-1].next_offset
        yield messages
