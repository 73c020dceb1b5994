"""What the collectors have agreed: who they are, and which of them owns which source.

A source's owner changes in two cases only: the owner gives it up itself, or the owner's membership
was ended before. So an owner whose membership goes on may rely on what it has read long ago.
"""

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from energy_platform.storage.leases.cells import Cell, Cells
from energy_platform.storage.leases.shares import shares

CELL: Final = "table"


class Member(BaseModel):
    """A collector.

    Attributes:
        name: What people call it.
        able: The sources that it is able to run.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    able: frozenset[str]


class Lease(BaseModel):
    """Who owns a source.

    Attributes:
        member: The owner.
        term: Greater than that of every owner before.
    """

    model_config = ConfigDict(frozen=True)

    member: str
    term: int


class Table(BaseModel):
    """What was agreed.

    Attributes:
        change: The number of this change.
        by: The member that made it.
        members: The collectors by their ids.
        leases: The lease of each source that has an owner.
    """

    model_config = ConfigDict(frozen=True)

    change: int = 0
    by: str = ""
    members: Mapping[str, Member] = {}
    leases: Mapping[str, Lease] = {}

    @classmethod
    def of(cls, cell: Cell | None) -> "Table":
        """Return what a cell says; an empty table if there is none or it can't be read."""
        try:
            return cls() if cell is None else cls.model_validate_json(cell.text)
        except ValidationError:
            return cls()

    def text(self) -> bytes:
        """Return the cell's text."""
        return self.model_dump_json().encode()

    def owned_by(self, member: str) -> dict[str, int]:
        """Return the sources of a member, each with its term."""
        return {
            source: lease.term for source, lease in self.leases.items() if lease.member == member
        }

    def wanted(self) -> dict[str, str]:
        """Return the owner that each source should have."""
        return shares(
            {id_: member.able for id_, member in self.members.items()},
            {source: lease.member for source, lease in self.leases.items()},
        )

    def changed(
        self, by: str, *, members: Mapping[str, Member], given: Collection[str] = ()
    ) -> "Table":
        """Return the table with these members, in which no source belongs to anybody else.

        Args:
            by: Who makes the change.
            members: The members from now on.
            given: The sources that their owner, who is `by`, gives to whoever should have them.
        """
        left = {
            source: lease
            for source, lease in self.leases.items()
            if lease.member in members and source in members[lease.member].able
        }
        wanted = self.model_copy(update={"members": members, "leases": left}).wanted()
        change = self.change + 1
        leases = {
            source: left[source]
            if source in left and (source not in given or left[source].member == who)
            else Lease(member=who, term=change)
            for source, who in wanted.items()
        }
        return Table(change=change, by=by, members=members, leases=leases)

    def says_as(self, other: "Table") -> bool:
        """Return whether both tables have the same members and leases."""
        return (self.members, self.leases) == (other.members, other.leases)


def owners(cells: Cells) -> dict[str, str]:
    """Return the name of each source's owner, for people to see.

    Raises:
        LeaseStoreError: The leases can't be reached.
    """
    table = Table.of(cells.read(CELL))
    return {
        source: table.members[lease.member].name
        for source, lease in sorted(table.leases.items())
        if lease.member in table.members
    }
