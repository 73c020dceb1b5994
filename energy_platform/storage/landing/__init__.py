"""The landing zone: an append-only log of raw messages per source, addressed by offset.

A log is a chain of segments. Each holds the messages from its first offset on, is written once
under the name of that offset with a create-only precondition, and is durable before `append`
returns. A log has one owner, its collector: of two writers that both think they own it, the second
at a name is told `FencedError`. The feed's cursor travels in the segment, so bytes and cursor can't
disagree. Guests, such as a backfill, add segments beside the owner and carry its cursor along.

Everything downstream can be made again from here, so nothing here is ever rewritten or removed.
"""

from energy_platform.storage.landing.log import LandingGuest, LandingLog, LandingWriter, LandingZone

__all__ = ["LandingGuest", "LandingLog", "LandingWriter", "LandingZone"]
