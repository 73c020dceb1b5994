"""Streams by WebSocket: STOMP inside SockJS, as Nord Pool Intraday speaks it.

`feed` connects and logs in, with a token from `access_token`; `stomp_over_sockjs` reads and writes
frames. `nord_pool` is where the sources get their feed from.
"""
