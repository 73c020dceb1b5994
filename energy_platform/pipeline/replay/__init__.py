"""Replays: a source's rows made again from landed bytes, by today's parser and checks.

    plan ──▶ stage, stage, stage … ──▶ merge

`plan` cuts landing offsets into ranges, `stage` parses and checks a range into `staged` files, and
`merge` brings them to the tables in offset order. `stager` lets one of the `runners` stage on many
cores or machines; without one, the merge parses what it needs itself. `whole` does all of it.

`redrive` decides which messages to replay after a fix.
"""

from energy_platform.pipeline.replay.whole import ReplayReport, replay

__all__ = ["ReplayReport", "replay"]
