"""When a market publishes, for markets that publish at known times and not all day long.

A source's module has one such value. `timeliness` decides whether a source is late.
"""

from dataclasses import dataclass
from datetime import time


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyPublication:
    """Values of whole local days that appear once a day, at a known time.

    `DailyPublication(at=time(12, 57), zone="Europe/Berlin", days_ahead=1)` is a day-ahead auction:
    tomorrow's values are expected from 12:57 on, and at 11:00 it is not late to have only today's.

    Attributes:
        at: Local time by which the values are usually published.
        zone: The time zone of `at`, and of the day that is published.
        days_ahead: Which day is complete then: 1 tomorrow, 0 today, -1 yesterday.
        weekdays: The days on which there is a publication, Monday 0 to Sunday 6.
    """

    at: time
    zone: str
    days_ahead: int = 1
    weekdays: frozenset[int] = frozenset(range(7))

    def __post_init__(self) -> None:
        """Refuse a publication without weekdays."""
        if not self.weekdays or not self.weekdays <= set(range(7)):
            raise ValueError(f"no publication is on weekdays {sorted(self.weekdays)}")
