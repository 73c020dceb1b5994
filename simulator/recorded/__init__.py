"""Serves sources without a model from their test cases, on their own protocols, and journals them.

So a new source runs on a laptop as soon as it has a test case. `cases` reads the cases, one module
per protocol serves them, and `stand_ins` chooses the module. Each source has its own addresses, so
that several sources of one host don't collide, nor a source with the model of another one.
"""

from simulator.recorded.stand_ins import Recorded

__all__ = ["Recorded"]
