"""The exchanges' own protocols on local sockets, with moving markets and faults on demand.

`world` is what all simulated providers share: the market's clock, its seed, the journal of what
was emitted, and the faults that were asked for. `providers` has one module per provider. The
platform never imports anything from here; it only meets the simulator on a socket.
"""
