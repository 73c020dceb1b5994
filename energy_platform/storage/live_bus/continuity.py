"""Whether an entry continues what a follower has read, or something was lost in between.

Entries say from which landing offset to which one they reach. So a follower finds every loss by
itself, whatever the reason: entries that were dropped before it read them, a bus that began anew
without its memory, and rows that were never published because the bus was down.
"""

from collections.abc import Mapping

from energy_platform.storage.live_bus.cursor import Place, cursor_of
from energy_platform.storage.live_bus.entries import Entry
from energy_platform.storage.live_bus.protocol import Gap


def is_after_a_loss(entry: Entry, place: Place) -> bool:
    """Return whether rows may be missing between a place and an entry.

    A follower that knows no entry of a stream takes the first one for a loss, since a bus that was
    killed may have had others before it.
    """
    return place.stop is None or entry.start > place.stop or entry.copy != place.copy


def gap(source: str, before: Place, places: Mapping[str, Place]) -> Gap:
    """Return what a follower is told that was at a place, and goes on from the new ones."""
    # Rows of a copy that was made again may differ from its first offset on.
    since = (before.stop or 0) if places[source].copy == before.copy else 0
    return Gap(source, since, cursor_of(places))
