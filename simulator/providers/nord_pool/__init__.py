"""Nord Pool Intraday: `market` is the trading, `exchange` the servers, `wire` the messages.

`contracts` are what is traded, `order_book` the matching of orders, `session` the connection of one
client, and `stomp` its frames.
"""

from simulator.providers.nord_pool.exchange import PROVIDER

__all__ = ["PROVIDER"]
