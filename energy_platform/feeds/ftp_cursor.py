"""What an FTP feed remembers of a folder's files: the revision that it took, or why it did not.

The cursor is one JSON object by file name. A file that was taken has its size and time. A file that
the server does not give, or that stays without its end, is held: an object with the reason, and
when to ask for it again. Cursors of older versions hold no files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import NamedTuple


class Revision(NamedTuple):
    """A file's size and time in a listing; another value is another revision."""

    size: int
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A revision of a file that could not be taken, or that stays incomplete.

    Attributes:
        size: Its size.
        modified: Its time.
        reason: What is wrong.
        failures: How many tries in a row have failed.
        again_at: Market time of the next try (ISO 8601); None if the revision has landed as it is,
            so that only another revision is taken.
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
        """Return whether it is too early to try this revision again."""
        is_early = self.again_at is None or now < datetime.fromisoformat(self.again_at)
        return revision == self.revision and is_early


@dataclass(slots=True)
class FtpCursor:
    """The files of a folder, by name.

    Attributes:
        taken: The files that were taken.
        held: The files that were not taken, or not whole.
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
        """Return the listed files to take: new, changed, or due for another try."""
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
        """Record that a revision was taken."""
        self.held.pop(name, None)
        self.taken[name] = revision

    def hold(self, name: str, held: HeldFile) -> None:
        """Record that a revision could not be taken; an earlier one no longer counts as taken."""
        self.taken.pop(name, None)
        self.held[name] = held
