"""ENTSO-E's Transparency Platform, simulated: documents of the real form by REST.

`provider` is the server, `datasets` says which series there are and when they are published,
`outages` which plants fail, and `documents` writes what both say as the platform does.
"""

from simulator.providers.entsoe.provider import PROVIDER

__all__ = ["PROVIDER"]
