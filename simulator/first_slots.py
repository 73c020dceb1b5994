"""The first slot that a source's feed asks for when it starts, as a function of that instant.

A feed asks back for some time, and in whole days or quarters of a day. A source's journal begins
with the same slot.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from simulator.market_days import day_start

FirstSlot = Callable[[datetime], datetime]


def whole_days(back: timedelta, zone: tzinfo) -> FirstSlot:
    """Return the start of the local day that was on, so long before."""
    return lambda began: day_start((began - back).astimezone(zone).date(), zone)


def quarters_of_a_day(back: timedelta) -> FirstSlot:
    """Return the start of the quarter of a day, by UTC, that was on so long before."""

    def first_slot(began: datetime) -> datetime:
        since = began - back
        return since.replace(hour=since.hour // 6 * 6, minute=0, second=0, microsecond=0)

    return first_slot
