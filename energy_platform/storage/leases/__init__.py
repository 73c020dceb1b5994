"""Leases: which collector owns which market source, agreed over a folder or a bucket.

`cells` are small documents of which each version is written once, `shares` says which collector
should have what, `table` is what they have agreed, and `membership` is one collector's part in it.
The landing log keeps its own order of writers by the terms that are given out here.
"""

from energy_platform.storage.leases.cells import Cells, LeaseStoreError, open_cells
from energy_platform.storage.leases.membership import (
    BEAT_SECONDS,
    LeaseLostError,
    Membership,
    Standing,
)
from energy_platform.storage.leases.table import owners

__all__ = [
    "BEAT_SECONDS",
    "Cells",
    "LeaseLostError",
    "LeaseStoreError",
    "Membership",
    "Standing",
    "open_cells",
    "owners",
]
