"""When an alarm is raised and when it is cleared. Pure: values and times in, changes out.

A value must be beyond the threshold for as long as the rule says, and back by the margin for as
long again. After an alarm was cleared there is a pause, so that a fluttering value raises one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from energy_platform.dashboard.alarms.rules import Rule

PAUSE_SECONDS: Final = 10.0
"""For how long an alarm is not raised again once it was cleared."""


class Change(StrEnum):
    """What becomes of an alarm."""

    RAISED = "raised"
    CLEARED = "cleared"


@dataclass(slots=True)
class Track:
    """One value that a rule watches.

    Attributes:
        is_raised: Whether there is an alarm.
        value: The newest value.
        turned_at: Since when the value has been where the alarm changes.
        quiet_until: Before when no alarm is raised.
    """

    is_raised: bool = False
    value: float | None = None
    turned_at: float | None = None
    quiet_until: float = float("-inf")

    def hear(self, value: float, rule: Rule, now: float) -> Change | None:
        """Take a value; return what becomes of the alarm."""
        self.value = value
        turns = rule.is_back(value) if self.is_raised else rule.is_beyond(value)
        if not turns:
            self.turned_at = None
        elif self.turned_at is None:
            self.turned_at = now
        return self.look(rule, now)

    def look(self, rule: Rule, now: float) -> Change | None:
        """Return what becomes of the alarm because time has passed."""
        if self.turned_at is None or now - self.turned_at < rule.for_seconds:
            return None
        if self.is_raised:
            return self.clear(now)
        if now < self.quiet_until:
            return None
        self.is_raised, self.turned_at = True, None
        return Change.RAISED

    def clear(self, now: float) -> Change | None:
        """Clear the alarm, if there is one."""
        was_raised, self.is_raised, self.turned_at = self.is_raised, False, None
        if not was_raised:
            return None
        self.quiet_until = now + PAUSE_SECONDS
        return Change.CLEARED
