"""The power systems that all simulated providers tell of, so that what they say agrees.

`zones` has the bidding zones and the lines between them, `noise` what is irregular, `system` what
follows from both at any instant: weather, load, generation, prices and flows. `told` gives these to
the series of a timeline. How and when a provider publishes a value is the provider's business.
"""

from simulator.power_system.system import PowerSystem, power_system

__all__ = ["PowerSystem", "power_system"]
