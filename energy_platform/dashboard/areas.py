"""The areas of the continuous market that pages may name, and Nord Pool's numbers of them."""

from collections.abc import Sequence
from typing import Final

from energy_platform.errors import UsageError

AREAS: Final = {"DE-LU": ("23", "22", "24", "25"), "50Hz": ("22",), "AMP": ("23",),
                "TTG": ("24",), "TBW": ("25",)}  # fmt: skip
"""A zone has several delivery areas; the first one's book is shown for it. While nothing limits
flows between them, all have the same book.
"""

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
