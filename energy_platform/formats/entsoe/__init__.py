"""ENTSO-E's Transparency Platform: what to ask, and the rows of what it answers.

A document (IEC 62325) holds TimeSeries, each of one or more Periods of one resolution, whose Points
are numbered by position. Outages and code lists are modules of their own: `outages`, `codes`.
"""

from energy_platform.formats.entsoe.document import POWER, Document, answers
from energy_platform.formats.entsoe.points import points
from energy_platform.formats.entsoe.questions import (
    ENTSOE,
    TERMS,
    essence,
    is_answer,
    market_days,
    window,
)

__all__ = [
    "ENTSOE",
    "POWER",
    "TERMS",
    "Document",
    "answers",
    "essence",
    "is_answer",
    "market_days",
    "points",
    "window",
]
