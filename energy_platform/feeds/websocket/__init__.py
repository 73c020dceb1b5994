"""Streams by WebSocket: STOMP inside SockJS, as Nord Pool Intraday speaks it.

`feed` connects and logs in. `stomp_over_sockjs` reads and writes frames. `subscription` detects a
missing message. `backlog` holds messages until they are landed. `nord_pool` makes the feeds of the
sources.
"""
