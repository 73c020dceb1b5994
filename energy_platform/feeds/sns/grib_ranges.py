"""Reads the wanted GRIB messages of a file by its `.idx` inventory, and no others.

The feed decides which file to read and when; the source's parser reads the messages.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from energy_platform.encodings.grib_frames import frame_length
from energy_platform.errors import ParseError
from energy_platform.feeds.sns.grib_index import ByteRange, byte_ranges, read_index
from energy_platform.feeds.sns.s3_bucket import (
    FetchedFile,
    ObjectUnreadableError,
    PublicBucket,
    S3Object,
)

_SUFFIX: Final = ".idx"
_MAX_INDEX_BYTES: Final = 4 << 20
_MAX_RANGE_BYTES: Final = 64 << 20
_MAX_FILE_BYTES: Final = 128 << 20


@dataclass(frozen=True, kw_only=True)
class GribRanges:
    """Reads some fields of a GRIB file.

    Attributes:
        variables: NCEP's names of the wanted variables, e.g. `UGRD`.
        levels: NCEP's names of the wanted levels, e.g. `10 m above ground`.
        concurrency: How many ranges of a file are asked for at once.
    """

    variables: tuple[str, ...]
    levels: tuple[str, ...]
    concurrency: int = 3

    def file_of(self, key: str) -> str:
        """Return the key of the file that an object belongs to: the GRIB file itself."""
        return key.removesuffix(_SUFFIX)

    async def read(self, bucket: PublicBucket, key: str) -> FetchedFile:
        """Return the wanted messages of the file `key`, one after the other.

        Raises:
            ObjectUnreadableError: The file or its inventory is missing, or they don't belong
                together.
            BucketUnavailableError: The bucket can't be reached or refuses to answer.
        """
        index = await bucket.get(key + _SUFFIX, max_bytes=_MAX_INDEX_BYTES)
        ranges = self._ranges(key, index)
        turns = asyncio.Semaphore(self.concurrency)

        async def read_range(wanted: ByteRange) -> S3Object:
            async with turns:
                part = await bucket.get_range(key, wanted.header, max_bytes=_MAX_RANGE_BYTES)
            _check_messages(key, wanted, part.body)
            return part

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(read_range(wanted)) for wanted in ranges]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        parts = [task.result() for task in tasks]
        etags = {part.etag for part in parts}
        if len(etags) > 1:
            raise ObjectUnreadableError(f"{key} was replaced while it was read")
        body = b"".join(part.body for part in parts)
        return FetchedFile(body, {key: etags.pop(), key + _SUFFIX: index.etag})

    def _ranges(self, key: str, index: S3Object) -> list[ByteRange]:
        try:
            entries = read_index(index.body.decode("ascii", errors="replace"))
        except ParseError as error:
            raise ObjectUnreadableError(f"{key}{_SUFFIX}: {error}") from None
        ranges = byte_ranges(entries, variables=self.variables, levels=self.levels)
        if not ranges:
            raise ObjectUnreadableError(f"{key}{_SUFFIX} names none of the wanted fields")
        if sum(each.stop - each.start for each in ranges if each.stop) > _MAX_FILE_BYTES:
            raise ObjectUnreadableError(f"{key}: the wanted fields exceed {_MAX_FILE_BYTES} bytes")
        return ranges


def _check_messages(key: str, wanted: ByteRange, body: bytes) -> None:
    """Check that each message of a range is whole and lies where the inventory says."""
    if wanted.stop is not None and len(body) != wanted.stop - wanted.start:
        raise ObjectUnreadableError(f"{key}: {len(body)} bytes came for {wanted.header}")
    ends = [*wanted.messages[1:], wanted.start + len(body)]
    try:
        for start, end in zip(wanted.messages, ends, strict=True):
            frame_length(body[start - wanted.start : end - wanted.start])
    except ParseError as error:
        raise ObjectUnreadableError(f"{key}, {wanted.header}: {error}") from None
