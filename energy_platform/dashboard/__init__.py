"""The traders' screens: pages that change by themselves, and the read API behind them.

`server` puts the application together and `service` runs it. `hub` knows who watches what, `room`
holds one open topic, `channel` speaks the WebSocket, `live_rows` follows the live bus. `topics` has
one module per kind of topic, `api` one per resource; `access` decides who may look. Nothing here
writes to a store of the market: what is known of it comes from the warehouse, the hot store and the
live bus.
"""
