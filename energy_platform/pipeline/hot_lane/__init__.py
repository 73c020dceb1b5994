"""The hot lane: keeps the hot copies up to date with the landing logs, beside the micro-batches.

Both parse, check and compare with the same functions, so the hot copy shows what the warehouse
holds or is about to hold. `lane` follows one source, `lane_rows` has the rows to compare with,
`turns` lets several writers of one copy take turns, `announcer` tells the live bus what was shown,
`announcements` keeps account of that for other processes, `missed_rows` reads again what a follower
of the bus lacks, and `service` follows all sources for ever.
`hot_copy` defines a point. The hot lane writes neither rows nor failures; micro-batches do.
"""
