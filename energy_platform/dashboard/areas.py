"""The areas and products of the continuous market that pages may name."""

from collections.abc import Sequence
from typing import Final

from energy_platform.errors import UsageError
from energy_platform.market.areas import delivery_areas

AREAS: Final = {name: delivery_areas(name) for name in ("DE-LU", "50Hz", "AMP", "TTG", "TBW")}
"""Areas, as traders call them, and Nord Pool's numbers of their delivery areas."""

PRODUCTS: Final = {"QH": "P15MIN", "HH": "P30MIN", "H": "P60MIN"}
"""The products of the continuous market: quarter-hours, half-hours, hours."""


def areas_of(area: str) -> Sequence[str]:
    """Return Nord Pool's numbers of an area.

    Raises:
        UsageError: There is no such area.
    """
    try:
        return AREAS[area]
    except KeyError:
        raise UsageError(f"there is no area {area!r}; there are {', '.join(AREAS)}") from None
