"""The power systems behind all simulated providers: one truth, so that the providers agree.

`zones` holds the bidding zones and the borders between them, `noise` the irregular part, and
`system` what follows from both at any instant: weather, load, generation, prices and flows. `told`
turns these into the series of a timeline. A provider decides how and when it publishes a value.
"""

from simulator.power_system.system import PowerSystem, power_system

__all__ = ["PowerSystem", "power_system"]
