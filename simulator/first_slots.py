"""The first slot that a source's feed asks for when it starts, as a function of the start.

At its start a feed asks for the last hours or days, some feeds for whole days. A source's journal
begins with the same slot.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from simulator.market_days import day_start

FirstSlot = Callable[[datetime], datetime]


def so_long_before(back: timedelta) -> FirstSlot:
    """Return the rule of a feed that asks for the time since `back` before its start."""
    return lambda began: began - back


def whole_days(back: timedelta, zone: tzinfo) -> FirstSlot:
    """Return the rule of a feed that asks for whole local days, the first one `back` before."""
    return lambda began: day_start((began - back).astimezone(zone).date(), zone)


def quarters_of_a_day(back: timedelta) -> FirstSlot:
    """Return the rule of a feed that asks for whole quarters of a day (UTC)."""

    def first_slot(began: datetime) -> datetime:
        since = began - back
        return since.replace(hour=since.hour // 6 * 6, minute=0, second=0, microsecond=0)

    return first_slot
