"""Nord Pool Intraday: `market` is what happens there, `exchange` how it is told on the wire.

`session` is one client's connection.
"""

from simulator.providers.nord_pool.exchange import PROVIDER

__all__ = ["PROVIDER"]
