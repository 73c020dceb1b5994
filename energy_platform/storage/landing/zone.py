"""A landing zone: the logs of all sources in one folder or bucket."""

from datetime import datetime
from typing import Final, Self

import obstore
from obstore.store import GCSStore, LocalStore, ObjectStore

from energy_platform.errors import UsageError
from energy_platform.storage.landing.log import LandingGuest, LandingLog, LandingWriter
from energy_platform.storage.landing.merging import Merged, merge
from energy_platform.storage.landing.news import Tell, tell_nobody
from energy_platform.storage.landing.notes import Notes
from energy_platform.storage.landing.staging import Staging

LEASES: Final = "_leases"
"""The folder of the collectors' leases, where no other place is set for them."""


class LandingZone:
    """The logs of all sources in one folder or bucket.

    Args:
        store: The folder or bucket of the segments.
        tell: Called with a source's name and the offsets after each append through this zone.
    """

    def __init__(self, store: ObjectStore, tell: Tell = tell_nobody) -> None:
        self._store = store
        self._tell = tell
        self._logs: dict[str, LandingLog] = {}
        self.notes = Notes(store)
        self.staging = Staging(store)

    @classmethod
    def open(cls, url: str, tell: Tell = tell_nobody) -> Self:
        """Open the landing zone at `file:///folder` or `gs://bucket/prefix`.

        A missing folder is created. Cloud Storage takes its credentials from the environment as
        Google's own tools do, and its objects are durable once written.
        `GOOGLE_SERVICE_ACCOUNT_KEY` points it to an emulator: a key with a `gcs_base_url` and
        `"disable_oauth": true`.

        Raises:
            UsageError: No landing zone can be at this address.
        """
        if url.startswith("file://"):
            try:
                return cls(LocalStore.from_url(url, mkdir=True), tell)
            except OSError as error:
                raise UsageError(f"no landing zone can be at {url}: {error}") from None
        if url.startswith("gs://"):
            return cls(GCSStore.from_url(url), tell)
        raise UsageError(
            f"a landing zone is at file:///folder or gs://bucket/prefix, not at {url!r}"
        )

    def is_empty(self) -> bool:
        """Return whether nothing has ever landed here."""
        found = obstore.list_with_delimiter(self._store)
        folders = [path for path in found["common_prefixes"] if path.strip("/") != LEASES]
        return not folders and not found["objects"]

    def log(self, source_name: str) -> LandingLog:
        """Return a source's log for reading; always the same object, since it caches its state.

        Raises:
            UsageError: No source can have this name.
        """
        if source_name not in self._logs:
            self._logs[source_name] = LandingLog(self._store, source_name)
        return self._logs[source_name]

    def writer(self, source_name: str, *, at_least: int = 0, term: int = 0) -> LandingWriter:
        """Take over a source's log for writing.

        The previous owner gets `FencedError` when both next write at the same offset.

        Args:
            source_name: The source.
            at_least: The first offset that may be given to a message.
            term: The term of the owner's lease, if it has one.

        Raises:
            UsageError: No source can have this name.
        """
        return LandingWriter(self._store, source_name, self._tell, at_least=at_least, term=term)

    def merge(self, source_name: str, *, now: datetime) -> Merged:
        """Merge small old segments of a source's log; readers and writers notice nothing.

        Raises:
            UsageError: No source can have this name.
        """
        return merge(self._store, source_name, now=now)

    def guest(self, source_name: str, *, at_least: int = 0) -> LandingGuest:
        """Return a source's log for appending beside its owner, who is not disturbed.

        Args:
            source_name: The source.
            at_least: The first offset that may be given to a message.

        Raises:
            UsageError: No source can have this name.
        """
        return LandingGuest(self._store, source_name, self._tell, at_least=at_least)
