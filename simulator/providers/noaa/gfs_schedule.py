"""Which GFS file is published next, remembered over restarts.

A run's files appear step by step; when all are there, they are published again, each time with
a few points corrected. What is in a file is said in `gfs_files`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

_RUN_EVERY: Final = timedelta(hours=6)
_RUN_TAKES: Final = timedelta(hours=3, minutes=30)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00Z")
_STEP_HOURS: Final = 3
_STEPS: Final = 41
_KEPT: Final = 2 * _STEPS


class Flaw(StrEnum):
    """What is wrong with a file."""

    NONE = "none"
    BAD_ROW = "bad_row"
    """One point holds an impossible wind."""
    CORRUPT = "corrupt"
    """Every message is framed correctly, but can't be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One publication of a forecast file.

    Attributes:
        run_at: The model run's reference time.
        step_hours: How far it looks ahead.
        edition: 0 at first; a later edition corrects a few points of the one before.
        flaw: What is wrong with it.
    """

    run_at: datetime
    step_hours: int
    edition: int = 0
    flaw: Flaw = Flaw.NONE

    @property
    def key(self) -> str:
        """The file's key in NOAA's bucket."""
        run_at, step = self.run_at, f"f{self.step_hours:03}"
        return f"gfs.{run_at:%Y%m%d}/{run_at:%H}/atmos/gfs.t{run_at:%H}z.pgrb2.0p25.{step}"

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            run_at=datetime.fromisoformat(kept["run_at"]),
            step_hours=kept["step_hours"],
            edition=kept["edition"],
            flaw=Flaw(kept["flaw"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "run_at": self.run_at.isoformat(),
            "step_hours": self.step_hours,
            "edition": self.edition,
            "flaw": self.flaw,
        }


@dataclass
class Schedule:
    """The files published so far, as many as the bucket keeps, and which one is next.

    Attributes:
        file: Where it is kept.
        published: How many files of the newest run have been published.
        issues: The newest issue of each file in the bucket, oldest first.
    """

    file: Path
    published: int = 0
    issues: dict[str, Issue] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the schedule kept in `file`, or an empty one."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            return cls(file)
        kept = json.loads(file.read_text())
        issues = [Issue.from_json(issue) for issue in kept["issues"]]
        return cls(file, kept["published"], {issue.key: issue for issue in issues})

    def next_issue(self, now: datetime, flaw: Flaw) -> Issue:
        """Return the issue that follows at market time `now`.

        A flawed file has a step of its own, so that it replaces no good file.
        """
        run_at = now - _RUN_TAKES
        run_at -= (run_at - _EPOCH) % _RUN_EVERY
        published = self.published if self._newest_run() == run_at else 0
        edition, step = divmod(published, _STEPS)
        if flaw is Flaw.NONE:
            return Issue(run_at=run_at, step_hours=step * _STEP_HOURS, edition=edition)
        beside = 1 if flaw is Flaw.BAD_ROW else 2
        return Issue(
            run_at=run_at, step_hours=step * _STEP_HOURS + beside, edition=published, flaw=flaw
        )

    def _newest_run(self) -> datetime | None:
        return max((issue.run_at for issue in self.issues.values()), default=None)

    def add(self, issue: Issue) -> Iterable[str]:
        """Note that `issue` is published; return the keys of the files that leave the bucket."""
        same_run = self._newest_run() == issue.run_at
        self.published = (self.published if same_run else 0) + (issue.flaw is Flaw.NONE)
        self.issues.pop(issue.key, None)
        self.issues[issue.key] = issue
        left = list(self.issues)[:-_KEPT]
        for key in left:
            del self.issues[key]
        partial = self.file.with_suffix(".partial")
        issues = [kept.to_json() for kept in self.issues.values()]
        partial.write_text(json.dumps({"published": self.published, "issues": issues}))
        partial.replace(self.file)
        return left
