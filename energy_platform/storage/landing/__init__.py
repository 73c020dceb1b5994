"""The landing zone: an append-only log of raw messages per source, addressed by offset.

A log is a chain of segments. A segment holds the messages from its first offset on. It is written
once, under the name of that offset, with a create-only precondition, and is durable before `append`
returns. The collector owns a log. If two writers believe that they own it, the one that comes
second to a name gets `FencedError`. A segment also holds the feed's cursor, so bytes and cursor
always agree. Guests, such as a backfill, add segments beside the owner and copy its cursor.

Every table can be made again from the landing zone, so no message is changed or removed; only those
of simulated markets go once they are old, to bound the home. Small segments are merged into large
ones in the background, which changes neither an offset nor what a reader sees (see `merging`).
"""

from energy_platform.storage.landing.log import LandingGuest, LandingLog, LandingWriter
from energy_platform.storage.landing.merging import Merged
from energy_platform.storage.landing.news import LandingListener, LandingNews
from energy_platform.storage.landing.zone import LEASES, LandingZone

__all__ = [
    "LEASES",
    "LandingGuest",
    "LandingListener",
    "LandingLog",
    "LandingNews",
    "LandingWriter",
    "LandingZone",
    "Merged",
]
