"""ENTSO-E's Transparency Platform, simulated: documents of the real form by REST.

`provider` is the server. `datasets` says which series there are and when they are published,
`dataset` what each of them is made of, and `outages` which plants fail. `documents` writes all of
it as the platform does; `codes` are the platform's codes.
"""

from simulator.providers.entsoe.provider import PROVIDER

__all__ = ["PROVIDER"]
