"""The hot lane: keeps the hot copies up with what lands, beside the micro-batches.

Both parse, check and compare by the same functions, so the hot copy shows what the warehouse holds
or is about to hold. `lane` follows one source, `lane_rows` is what it compares with, `turns` lets
several writers of one copy take turns, and `service` follows all sources for ever. What a point is,
is said by `hot_copy`. Nothing here writes rows or what fails a check: micro-batches do.
"""
