"""Which segments a log has, according to the listings of its folders.

A merged segment exists beside its parts until these are removed. A listing takes the merged segment
and leaves out the parts that it covers, so that every offset is listed once.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import obstore
from obstore.store import ObjectStore

from energy_platform.storage.landing import objects
from energy_platform.storage.landing.segment import (
    OFFSETS_PER_FOLDER,
    DamagedSegmentError,
    Segment,
    folder_path,
    require_sound,
    segment_named,
    segment_path,
)


class Listed(NamedTuple):
    """A segment, and when it was written."""

    segment: Segment
    written_at: datetime


class Folder(NamedTuple):
    """The segments of a folder.

    Attributes:
        valid: The segments that hold the log's messages, in order.
        covered: The segments whose messages a merged segment of `valid` also holds, each with that
            segment.
    """

    valid: list[Listed]
    covered: list[tuple[Listed, Listed]]


class SegmentListing:
    """The segments of one log.

    Args:
        store: The folder or bucket of the segments.
        source_name: The source's name, and the log's folder.
    """

    def __init__(self, store: ObjectStore, source_name: str) -> None:
        self._store = store
        self._source_name = source_name

    def exists(self, first: int) -> bool:
        """Return whether an appended (not merged) segment begins at an offset."""
        return objects.exists(self._store, segment_path(self._source_name, first))

    def folders(self) -> list[int]:
        """Return the numbers of all folders, in order."""
        listing = obstore.list_with_delimiter(self._store, self._source_name)
        names = (path.rpartition("/")[2] for path in listing["common_prefixes"])
        return sorted(int(name) for name in names if name.isdecimal())

    def segments(self, folder: int, *, since: int = 0) -> list[Segment]:
        """Return a folder's valid segments that start at `since` or later, in order."""
        return [listed.segment for listed in self.folder(folder, since=since).valid]

    def folder(self, folder: int, *, since: int = 0) -> Folder:
        """Return all of a folder's segments that start at `since` or later."""
        listing = obstore.list(
            self._store,
            folder_path(self._source_name, folder),
            # The last name before the wanted ones, since a listing begins after its offset.
            offset=segment_path(self._source_name, since - 1) if since else None,
            chunk_size=OFFSETS_PER_FOLDER,
        )
        return _parted(
            Listed(segment, meta["last_modified"])
            for chunk in listing
            for meta in chunk
            if (segment := segment_named(meta["path"], meta["size"])) is not None
        )

    def newest(self) -> Segment | None:
        """Return the last segment of a log; None if the log has none."""
        return next(self.down_from(None), None)

    def down_from(self, below: int | None) -> Iterator[Segment]:
        """Yield the segments that begin below an offset, or all, from the last to the first."""
        # A writer that is killed after creating a folder and before its segment leaves the folder
        # empty.
        for folder in reversed(self.folders()):
            if below is None or folder * OFFSETS_PER_FOLDER < below:
                for segment in reversed(self.segments(folder)):
                    if below is None or segment.first < below:
                        yield segment

    def up_from(self, above: int) -> Iterator[Segment]:
        """Yield the segments that begin above an offset, from the first to the last."""
        for folder in self.folders():
            if (folder + 1) * OFFSETS_PER_FOLDER > above:
                yield from (one for one in self.segments(folder) if one.first > above)

    def fetch(self, segment: Segment) -> bytes:
        """Return a segment's bytes, which were checked.

        Raises:
            DamagedSegmentError: They are not what was written; the message names the file.
            FileNotFoundError: It is missing, e.g. because it was merged and removed meanwhile.
        """
        path = self.path(segment)
        body = objects.fetch(self._store, path)
        try:
            require_sound(segment, body)
        except DamagedSegmentError as error:
            place = objects.place(self._store, path)
            raise DamagedSegmentError(f"{place} is damaged: {error}", stop=error.stop) from None
        return body

    def path(self, segment: Segment) -> str:
        """Return a segment's path."""
        return segment_path(self._source_name, segment.first, segment.stop)


def _parted(listed: Iterable[Listed]) -> Folder:
    valid: list[Listed] = []
    covered: list[tuple[Listed, Listed]] = []
    merged: Listed | None = None
    for one in sorted(listed, key=lambda each: (each.segment.first, -(each.segment.stop or 0))):
        if merged is not None and one.segment.first < (merged.segment.stop or 0):
            covered.append((one, merged))
            continue
        valid.append(one)
        if one.segment.stop is not None:
            merged = one
    return Folder(valid, covered)
