"""How hard a property is tried: with few examples in an ordinary run, with many at night.

`EFFORT` says how many times as many examples are tried; `make nightly` sets it.
"""

import os
from typing import Final

EFFORT: Final = int(os.environ.get("EFFORT", "1"))


def examples(usual: int) -> int:
    """Return how many examples this run tries where an ordinary one tries `usual`."""
    return usual * EFFORT
