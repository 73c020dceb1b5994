"""Streams by WebSocket: STOMP inside SockJS, as Nord Pool Intraday speaks it.

`feed` connects and logs in; `stomp_over_sockjs` reads and writes frames; `subscription` sees
whether a message is missing, and `backlog` holds what waits to be landed. `nord_pool` is where the
sources get their feed from.
"""
