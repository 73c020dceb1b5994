"""What an FTP feed remembers of a folder's files: the revision that it took, or why it did not.

The cursor is one JSON object by file name. A file that was taken has size and time; one that the
server does not give, or that stays without its end, is held: an object with the reason, and when it
is asked for again. Cursors of older versions hold nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import NamedTuple


class Revision(NamedTuple):
    """What a look says of a file; another value is another revision of it."""

    size: int
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A revision of a file that is not had, or not as it should be.

    Attributes:
        size: Its size.
        modified: Its time.
        reason: What is wrong.
        failures: How often in a row it was asked for in vain.
        again_at: Market time at which it is asked for again (ISO 8601); None where it has landed as
            it is, and only another revision is asked for.
    """

    size: int
    modified: str
    reason: str
    failures: int = 1
    again_at: str | None = None

    @property
    def revision(self) -> Revision:
        """The revision."""
        return Revision(self.size, self.modified)

    def is_left(self, revision: Revision, now: datetime) -> bool:
        """Say whether this revision is not to be asked for yet."""
        is_early = self.again_at is None or now < datetime.fromisoformat(self.again_at)
        return revision == self.revision and is_early


@dataclass(slots=True)
class FtpCursor:
    """The files of a folder, by name.

    Attributes:
        taken: Those that were taken.
        held: Those that were not, or not whole.
    """

    taken: dict[str, Revision] = field(default_factory=dict)
    held: dict[str, HeldFile] = field(default_factory=dict)

    @staticmethod
    def read(cursor: str | None) -> "FtpCursor":
        """Read a cursor that was landed."""
        files = json.loads(cursor or "{}")
        return FtpCursor(
            {name: Revision(*one) for name, one in files.items() if isinstance(one, list)},
            {name: HeldFile(**one) for name, one in files.items() if isinstance(one, dict)},
        )

    def write(self) -> str:
        """Return the cursor to land."""
        files = {**self.taken, **{name: asdict(one) for name, one in self.held.items()}}
        return json.dumps(files, separators=(",", ":"))

    def fresh(self, listed: Mapping[str, Revision], now: datetime) -> dict[str, Revision]:
        """Return what is to be taken of what is listed: new, changed, or due once more."""
        return {
            name: one
            for name, one in listed.items()
            if self.taken.get(name) != one
            and not (name in self.held and self.held[name].is_left(one, now))
        }

    def forget_all_but(self, listed: Mapping[str, Revision]) -> None:
        """Forget files that are gone."""
        self.taken = {name: one for name, one in self.taken.items() if name in listed}
        self.held = {name: one for name, one in self.held.items() if name in listed}

    def take(self, name: str, revision: Revision) -> None:
        """Note that a revision was taken."""
        self.held.pop(name, None)
        self.taken[name] = revision

    def hold(self, name: str, held: HeldFile) -> None:
        """Note that a revision is not had; what was taken of the file before is another one."""
        self.taken.pop(name, None)
        self.held[name] = held
