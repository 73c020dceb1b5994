"""The live bus: new rows as the hot lane shows them, for whoever wants the next value.

`protocol` states what a live bus promises, `cursor` and `entries` are the forms of what it keeps,
and `continuity` finds what was lost. `valkey` publishes to streams of a Valkey, and `follower`
reads them by its `follower_client`; `pubsub` publishes to topics of Google Pub/Sub, and
`pubsub_follower` reads those. The bus is a signal and never the log: the landing zone and the
warehouse hold what it forgets.
"""
