"""The landing zone: an append-only log of raw messages per source, addressed by offset.

A log is a chain of segments. Each holds the messages from its first offset on, is written once
under the name of that offset with a create-only precondition, and is durable before `append`
returns. Two writers that both think they own a log aim at the same name; the second is told
`FencedError`. The feed's cursor travels in the segment, so bytes and cursor can't disagree.

Everything downstream can be made again from here, so nothing here is ever rewritten or removed.
"""

from energy_platform.landing.log import LandingLog, LandingWriter, LandingZone

__all__ = ["LandingLog", "LandingWriter", "LandingZone"]
