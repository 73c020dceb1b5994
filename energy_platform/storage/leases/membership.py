"""One collector's part: it says that it lives, sees who does not, and takes its share.

A member renews its own cell every few seconds. It owns what the table gives it for as long as its
last renewal was less than `HOLD_SECONDS` ago, by its own clock from before that renewal. Another
one may end a membership whose cell has not changed for `TAKE_SECONDS` by *its* own clock. No clock
is compared with another machine's; they need only run at about the same speed.

To end a membership is to replace the member's cell, so it can't be renewed any more, and only then
do its sources get other owners. Without the store nobody can end a membership or renew one: an
owner stops when its own time is over, whether or not somebody else could take over.
"""

import contextlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from uuid import uuid4

from energy_platform.errors import EnergyPlatformError
from energy_platform.storage.leases.cells import Cells, LeaseStoreError
from energy_platform.storage.leases.table import CELL, Member, Table

BEAT_SECONDS: Final = 3.0
"""How often a membership is renewed, and how often a member looks at the others."""
HOLD_SECONDS: Final = 8.0
TAKE_SECONDS: Final = 9.0
"""The difference is for what a member does just before it sees that its time is over."""

_ENDED: Final = b'{"ended":true}'
_TRIES: Final = 20


class LeaseLostError(EnergyPlatformError):
    """Others have ended this membership: they took it for dead."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the leases stand.

    Attributes:
        mine: The sources that this member owns, each with the term of its lease.
        surplus: Those of them that it should give to others.
        owners: The name of each source's owner.
    """

    mine: Mapping[str, int] = field(default_factory=dict)
    surplus: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)


def seconds() -> float:
    """Return the seconds since this machine was booted, those included in which it slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Membership:
    """A collector among collectors, from its first renewal until it leaves or is ended.

    Threads may share it.

    Args:
        cells: Where the collectors meet.
        name: What people call this collector.
        able: The sources that it is able to run.
        clock: Returns this machine's seconds.
    """

    def __init__(
        self,
        cells: Cells,
        name: str,
        able: Collection[str],
        clock: Callable[[], float] = seconds,
    ) -> None:
        self.id = uuid4().hex
        self._cells = cells
        self._self = Member(name=name, able=frozenset(able))
        self._clock = clock
        self._version: str | None = None
        self._beats = 0
        self._held_until = float("-inf")
        self._seen: dict[str, tuple[str | None, float]] = {}
        self._at_the_table = Lock()

    @property
    def seconds_left(self) -> float:
        """For how long this membership surely goes on; not at all if that is not positive."""
        return self._held_until - self._clock()

    def renew(self) -> None:
        """Say that this collector lives.

        Raises:
            LeaseLostError: Others have ended the membership, and it stays so.
            LeaseStoreError: The store does not answer.
        """
        began = self._clock()
        beat = json.dumps({"member": self.id, "beat": self._beats + 1}).encode()
        version = self._cells.write(_cell(self.id), beat, seen=self._version)
        if version is None:
            self._held_until = float("-inf")
            raise LeaseLostError(f"{self._self.name} was taken for dead")
        self._version = version
        self._beats += 1
        self._held_until = began + HOLD_SECONDS

    def look(self) -> Standing:
        """Take what is free of this member's share, end who is dead; return how all stands.

        Raises:
            LeaseStoreError: The store does not answer.
        """
        with self._at_the_table:
            table = self._change(given=())
        mine = table.owned_by(self.id)
        wanted = table.wanted()
        return Standing(
            mine=mine,
            surplus=frozenset(source for source in mine if wanted.get(source) != self.id),
            owners={
                source: table.members[lease.member].name for source, lease in table.leases.items()
            },
        )

    def give(self, sources: Collection[str]) -> None:
        """Give sources, which this collector has stopped, to those who should have them.

        Raises:
            LeaseStoreError: The store does not answer.
        """
        with self._at_the_table:
            self._change(given=sources)

    def leave(self) -> None:
        """Give all sources, which this collector has stopped, to the others, and be gone.

        Raises:
            LeaseStoreError: The store does not answer.
        """
        with self._at_the_table:
            self._held_until = float("-inf")
            self._change(given=(), leaves=True)
            self._cells.remove(_cell(self.id))

    def end(self, member: str) -> None:
        """End a membership of which the caller knows that its process is dead.

        Raises:
            LeaseStoreError: The store does not answer.
        """
        found = self._cells.read(_cell(member))
        if found is not None:
            self._cells.write(_cell(member), _ENDED, seen=found.version)

    def until_somebody_may_be_dead(self) -> float:
        """Return the seconds until a member that is silent now may be taken for dead."""
        now = self._clock()
        silent = (since + TAKE_SECONDS - now for _, since in self._seen.values())
        return min(silent, default=TAKE_SECONDS)

    def _change(self, *, given: Collection[str], leaves: bool = False) -> Table:
        """Bring the table up to date; return it."""
        for _ in range(_TRIES):
            cell = self._cells.read(CELL)
            table = Table.of(cell)
            members = {
                id_: member
                for id_, member in table.members.items()
                if id_ != self.id and not self._is_dead(id_)
            }
            gone = table.members.keys() - members.keys() - {self.id}
            self._seen = {id_: seen for id_, seen in self._seen.items() if id_ in members}
            if not leaves:
                members[self.id] = self._self
            changed = table.changed(self.id, members=members, given=given)
            if changed.says_as(table) or not (leaves or self.seconds_left > 0):
                return table
            version = None if cell is None else cell.version
            if self._cells.write(CELL, changed.text(), seen=version) is not None:
                for id_ in gone:
                    with contextlib.suppress(LeaseStoreError):  # only its ended cell is left
                        self._cells.remove(_cell(id_))
                return changed
        raise LeaseStoreError("the leases' table changes faster than it can be read")

    def _is_dead(self, member: str) -> bool:
        """Return whether a membership is ended; end it if it is silent for too long."""
        found = self._cells.read(_cell(member))
        if found is not None and found.text == _ENDED:
            return True
        version = None if found is None else found.version
        seen, since = self._seen.get(member, (None, self._clock()))
        if member not in self._seen or seen != version:
            self._seen[member] = (version, self._clock())
            return False
        if self._clock() - since < TAKE_SECONDS:
            return False
        return self._cells.write(_cell(member), _ENDED, seen=version) is not None


def _cell(member: str) -> str:
    return f"member-{member}"
