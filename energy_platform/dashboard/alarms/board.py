"""The alarms of all users that pages show: those that are raised, and cleared ones of a day."""

from collections.abc import Iterable
from datetime import UTC, datetime

from energy_platform.dashboard.alarms.alarm_file import KEPT, KEPT_FOR, Alarm
from energy_platform.dashboard.alarms.tracks import Change


class AlarmBoard:
    """What is shown; the newest `KEPT` alarms of each user."""

    def __init__(self) -> None:
        self._alarms: dict[str, dict[str, Alarm]] = {}

    @property
    def users(self) -> list[str]:
        """Who has alarms."""
        return list(self._alarms)

    def of(self, user: str) -> list[Alarm]:
        """Return a user's alarms, the oldest first."""
        return list(self._alarms.get(user, {}).values())

    def find(self, user: str, alarm: str) -> Alarm | None:
        """Return an alarm, if the user has it."""
        return self._alarms.get(user, {}).get(alarm)

    def put(self, user: str, alarms: Iterable[Alarm]) -> None:
        """Show alarms, each in place of the one of the same id."""
        self._alarms.setdefault(user, {}).update((one.id, one) for one in alarms)

    def forget_old(self, user: str) -> list[str]:
        """Take away alarms that were cleared long ago, and cleared ones beyond `KEPT`."""
        alarms = self.of(user)
        cleared = [one for one in alarms if one.state is Change.CLEARED]
        before, beyond = datetime.now(UTC) - KEPT_FOR, max(0, len(alarms) - KEPT)
        old = {one.id for one in cleared if one.cleared_at is not None and one.cleared_at < before}
        gone = sorted(old | {one.id for one in cleared[:beyond]})
        for one in gone:
            del self._alarms[user][one]
        return gone
