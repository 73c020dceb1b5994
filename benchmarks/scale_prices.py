"""What a size of the platform costs on Google Cloud in a month of thirty days, in US dollars.

Prices are list prices without free tiers and discounts, as Google's pages told them in 2025 for
its cheapest regions. They change: read them again before a decision. Only what grows with the load
is counted; networks between zones, logs, support and people are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchmarks.scale_model import Load, Outcome, Size

CORE_SECOND_USD: Final = 0.000018
"""Cloud Run, CPU that is always allocated."""
GIB_SECOND_USD: Final = 0.000002
"""Cloud Run, memory that is always allocated."""
OBJECT_WRITE_USD: Final = 0.005 / 1000
"""Cloud Storage, class A operations: create, list."""
OBJECT_READ_USD: Final = 0.0004 / 1000
"""Cloud Storage, class B operations: read."""
OBJECT_GIB_MONTH_USD: Final = 0.020
"""Cloud Storage, standard class."""
WAREHOUSE_WRITE_GIB_USD: Final = 0.025
"""BigQuery, Storage Write API."""
WAREHOUSE_GIB_MONTH_USD: Final = 0.020
"""BigQuery, active logical storage."""
BUS_TIB_USD: Final = 40.0
"""Pub/Sub, published and delivered alike."""
POSTGRES_CORE_MONTH_USD: Final = 30.0 + 4 * 5.1
"""Cloud SQL, a core with four gibibytes of memory."""

GIB: Final = 2.0**30
MONTH_SECONDS: Final = 30 * 86_400.0
GIB_A_PROCESS: Final = 1.0
"""Memory of a process; each has a core."""
ASSETS_A_SECOND_A_POSTGRES_CORE: Final = 25.0
"""A run of six assets takes 0.44 s from beginning to end on Postgres; half of it is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """What a point takes.

    Attributes:
        landed: In the landing zone, compressed.
        stored: In BigQuery, as it is billed: eight bytes for a number or an instant, two and its
            length for a text.
        published: On the live bus, once.
    """

    landed: float
    stored: float
    published: float


def monthly_usd(
    load: Load, size: Size, outcome: Outcome, each: Bytes, *, followers: int = 3
) -> Mapping[str, float]:
    """Return what a month costs, by what it is for; storage is that of the first month's end.

    Args:
        load: What the markets send.
        size: How many processes there are.
        outcome: What the simulation showed.
        each: What a point takes.
        followers: How many follow the live bus, the lanes aside.
    """
    points = load.points_a_day * 30
    processes = size.collectors + size.lanes + size.workers + 3 * size.daemons + 2
    core = CORE_SECOND_USD + GIB_A_PROCESS * GIB_SECOND_USD
    objects = outcome.objects_a_second * MONTH_SECONDS
    postgres_cores = max(1.0, outcome.assets_a_second / ASSETS_A_SECOND_A_POSTGRES_CORE)
    return MappingProxyType(
        {
            "processes": processes * core * MONTH_SECONDS,
            "landing requests": objects * (OBJECT_WRITE_USD + 2 * OBJECT_READ_USD),
            "landing storage": points * each.landed / GIB * OBJECT_GIB_MONTH_USD,
            "warehouse writes": points * each.stored / GIB * WAREHOUSE_WRITE_GIB_USD,
            "warehouse storage": points * each.stored / GIB * WAREHOUSE_GIB_MONTH_USD,
            "live bus": points * each.published / GIB / 1024 * BUS_TIB_USD * (1 + followers),
            "Dagster's Postgres": postgres_cores * POSTGRES_CORE_MONTH_USD,
        }
    )
