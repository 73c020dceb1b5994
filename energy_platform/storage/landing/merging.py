"""Merges many small segments of a log into few large ones, in the background.

A folder is merged once it is complete, that is, once the log has gone on to a later one. The merged
segment stands beside its parts, under a name of its own; readers take it instead of them. Its parts
are removed some time later, so that whoever has listed them finds them. Which parts make a merged
segment depends on the folder alone, so two that merge at once write the same. A merge that is
killed at any point leaves a log with the same messages, and the next one goes on.

The first segment of a log is merged and stays, since it says that the log has begun.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from obstore.store import ObjectStore

from energy_platform.storage.landing import objects
from energy_platform.storage.landing.listing import Folder, SegmentListing
from energy_platform.storage.landing.log import MERGED_KEPT, LandingLog
from energy_platform.storage.landing.segment import (
    OFFSETS_PER_FOLDER,
    CorruptLogError,
    Segment,
    decode,
    encode_merged,
)

MERGED_BYTES: Final = 8 * 2**20
"""What the parts of one merged segment take at most: who wants one message fetches it whole."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge has done.

    Attributes:
        merged: How many segments it has merged.
        into: How many segments these became.
        removed: How many parts of earlier merges it has removed.
    """

    merged: int = 0
    into: int = 0
    removed: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        """Return the sum of both."""
        return Merged(
            self.merged + other.merged, self.into + other.into, self.removed + other.removed
        )


def merge(store: ObjectStore, source_name: str, *, now: datetime) -> Merged:
    """Merge the complete folders of a log, and remove parts that were merged long enough ago.

    Looks only at the folders since the newest finished one, so the cost does not grow with the log.

    Args:
        store: The folder or bucket of the segments.
        source_name: The log's source.
        now: The time.
    """
    listing = SegmentListing(store, source_name)
    newest = LandingLog(store, source_name).tail().first // OFFSETS_PER_FOLDER
    waiting: list[Folder] = []
    for number in reversed(listing.folders()):
        if number < newest:
            folder = listing.folder(number)
            if _is_done(folder):
                break
            waiting.append(folder)
    done = Merged()
    # The oldest first, so that all folders before a finished one are finished.
    for folder in reversed(waiting):
        for parts in _groups(folder):
            if _merge_parts(store, listing, parts):
                done += Merged(merged=len(parts), into=1)
        old = [
            part.segment
            for part, merged in folder.covered
            if part.segment.first > 0 and now - merged.written_at > MERGED_KEPT
        ]
        objects.remove(store, [listing.path(part) for part in old])
        done += Merged(removed=len(old))
    return done


def _is_done(folder: Folder) -> bool:
    """Return whether a folder was merged and holds nothing else.

    A folder of one large segment looks finished before any merge; it doesn't count as finished.
    """
    return (
        any(listed.segment.stop is not None for listed in folder.valid)
        and all(part.segment.first == 0 for part, _ in folder.covered)
        and next(_groups(folder), None) is None
    )


def _groups(folder: Folder) -> Iterator[Sequence[Segment]]:
    """Yield groups of two or more segments, each of which is to become one."""
    group: list[Segment] = []
    for listed in folder.valid:
        segment = listed.segment
        is_full = sum(part.size for part in group) + segment.size > MERGED_BYTES
        if segment.stop is not None or is_full:
            if len(group) > 1:
                yield group
            group = []
        if segment.stop is None:
            group.append(segment)
    if len(group) > 1:
        yield group


def _merge_parts(store: ObjectStore, listing: SegmentListing, parts: Sequence[Segment]) -> bool:
    """Write parts as one segment; return whether the segment exists now."""
    try:
        rows = decode([listing.fetch(part) for part in parts])
    except CorruptLogError as error:
        _log.warning("%s and its neighbours stay unmerged: %s", listing.path(parts[0]), error)
        return False
    offsets = rows.get_column("offset")
    stop = parts[0].first + rows.height
    if offsets.to_list() != list(range(parts[0].first, stop)):
        _log.warning("%s and its neighbours stay unmerged: a gap", listing.path(parts[0]))
        return False
    path = listing.path(Segment(parts[0].first, 0, stop))
    return objects.create(store, path, encode_merged(rows), writer=f"merge-{uuid4().hex}")
