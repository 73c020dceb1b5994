"""Sources without a model: their test cases, served on their own protocols and journalled.

So a new source flows on a laptop as soon as it has a test case. `cases` reads the cases, one module
per protocol serves them, and `stand_ins` chooses among these. Every source has addresses of its
own, so that several of one host don't collide, and one of a host that has a model may lack it.
"""

from simulator.recorded.stand_ins import Recorded

__all__ = ["Recorded"]
