"""One rule at work: hears the rows of its topic, and says which alarms change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from energy_platform.dashboard.alarms.rules import Rule, meets
from energy_platform.dashboard.alarms.tracks import Change, Track
from energy_platform.dashboard.frames import Row

MOST_RAISED: Final = 50
"""How many alarms of one rule may be raised at a time; of further rows none is raised."""


class Turn(NamedTuple):
    """An alarm that changes: of which row, how, and at which value."""

    row: str
    change: Change
    value: float


@dataclass(slots=True)
class WatchedRule:
    """A rule, and what is known of the rows that it is about.

    Attributes:
        user: Whose rule it is.
        rule: The rule.
        moment: The column that dates rows; a spread is taken within one moment.
        tracks: The watched values by their row.
    """

    user: str
    rule: Rule
    moment: str | None = None
    tracks: dict[str, Track] = field(default_factory=dict)
    _rows: dict[str, Row] = field(default_factory=dict)
    _subtracted: dict[str, Row] = field(default_factory=dict)

    def hear(
        self, rows: Iterable[Row], gone: Sequence[str], now: float, *, is_all: bool
    ) -> list[Turn]:
        """Take rows that are new or different, and the ids of those that went.

        Args:
            rows: The rows.
            gone: The ids.
            now: The time in seconds.
            is_all: Whether these are all rows, so that others went too.
        """
        if is_all:
            gone = [*self.tracks]
            self._rows.clear()
            self._subtracted.clear()
        for one in gone:
            self._rows.pop(one, None)
            self._subtracted.pop(one, None)
        changed = [row["id"] for row in rows if self._keep(row)]
        turns = [*self._turns(changed, now)]
        left = [self._cleared(one, now) for one in gone if one not in self._rows]
        return [*turns, *(turn for turn in left if turn is not None)]

    def look(self, now: float) -> list[Turn]:
        """Return which alarms change because time has passed."""
        turned = [(row, one) for row, one in self.tracks.items() if one.turned_at is not None]
        return [
            Turn(row, change, track.value)
            for row, track in turned
            if self._has_room_for(track)
            and (change := track.look(self.rule, now)) is not None
            and track.value is not None
        ]

    def _keep(self, row: Row) -> bool:
        """Keep a row that the rule is about; return whether it is."""
        is_subtracted = self.rule.minus is not None and meets(row, self.rule.minus)
        is_watched = not is_subtracted and meets(row, self.rule.where)
        if is_subtracted:
            self._subtracted[row["id"]] = row
        elif is_watched:
            self._rows[row["id"]] = row
        return is_watched or is_subtracted

    def _turns(self, changed: Sequence[str], now: float) -> Iterator[Turn]:
        is_spread_anew = any(one in self._subtracted for one in changed)
        for one in [*self._rows] if is_spread_anew else changed:
            value = self._value(self._rows[one])
            if value is None:
                continue
            track = self.tracks.setdefault(one, Track())
            if not self._has_room_for(track):
                continue
            change = track.hear(value, self.rule, now)
            if change is not None:
                yield Turn(one, change, value)

    def _value(self, row: Row) -> float | None:
        value = row.get(self.rule.column)
        if value is None or self.rule.minus is None:
            return value
        for other in self._subtracted.values():
            is_same_moment = self.moment is None or row.get(self.moment) == other.get(self.moment)
            subtracted = other.get(self.rule.column)
            if is_same_moment and subtracted is not None:
                return float(value - subtracted)
        return None

    def _has_room_for(self, track: Track) -> bool:
        return track.is_raised or sum(one.is_raised for one in self.tracks.values()) < MOST_RAISED

    def _cleared(self, row: str, now: float) -> Turn | None:
        track = self.tracks.pop(row, None)
        if track is None or track.clear(now) is None or track.value is None:
            return None
        return Turn(row, Change.CLEARED, track.value)
