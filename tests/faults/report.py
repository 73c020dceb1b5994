"""What a soak has found, case by case: as a table to read, and as JSON to keep."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

BEFORE = "before the first case"
"""What is the name of the time in which nothing was done yet."""


@dataclass(kw_only=True)
class Struck:
    """One time that a case was done.

    Attributes:
        case: Its name.
        promise: What it promises.
        began_at: When it began.
        killed: How many processes it has killed.
        seconds: How long after its end all was well again; None if it was not.
        failure: What went wrong with it; empty if nothing did.
    """

    case: str
    promise: str
    began_at: datetime
    killed: int = 0
    seconds: float | None = None
    failure: str = ""


@dataclass(kw_only=True)
class Row:
    """What came of one case.

    Attributes:
        case: Its name.
        promise: What it promises.
        count: How often it was done.
        killed: How many processes it has killed in all.
        lost: Rows that were emitted while it was the last case that had begun, and are missing.
        doubled: Rows that were received then, and only repeat the row before.
        invented: Rows that were received then, and that nobody has emitted.
        seconds: How long it took each time until all was well.
        failures: What went wrong with it.
    """

    case: str
    promise: str
    count: int = 0
    killed: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Whether the case kept its promise each time."""
        return not (self.lost or self.doubled or self.invented or self.failures)


def rows_of(
    struck: Sequence[Struck],
    *,
    lost_at: Iterable[datetime] = (),
    doubled_at: Iterable[datetime] = (),
    invented_at: Iterable[datetime] = (),
) -> list[Row]:
    """Return a row for each case.

    A row that is wrong is the fault of the case that had begun last by then.

    Args:
        struck: What was done, in order.
        lost_at: When each lost row was emitted.
        doubled_at: When each doubled row was received.
        invented_at: When each invented row was received.
    """
    rows: dict[str, Row] = {}
    for one in struck:
        row = rows.setdefault(one.case, Row(case=one.case, promise=one.promise))
        row.count += 1
        row.killed += one.killed
        row.seconds += [] if one.seconds is None else [one.seconds]
        row.failures += [one.failure] if one.failure else []
    begun = [one.began_at for one in struck]
    wrong = {"lost": lost_at, "doubled": doubled_at, "invented": invented_at}
    for what, instants in wrong.items():
        for instant in instants:
            place = bisect_right(begun, instant)
            name = struck[place - 1].case if place else BEFORE
            row = rows.setdefault(name, Row(case=name, promise=""))
            setattr(row, what, getattr(row, what) + 1)
    return list(rows.values())


def together(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each case of several soaks."""
    cases: dict[str, Row] = {}
    for row in rows:
        if row.case not in cases:
            cases[row.case] = replace(row)
            continue
        known = cases[row.case]
        for name in ("count", "killed", "lost", "doubled", "invented", "seconds", "failures"):
            setattr(known, name, getattr(known, name) + getattr(row, name))
    return list(cases.values())


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| case | promise | count | lost | doubled | invented | well after: median, longest |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        yield (
            f"| {row.case} | {row.promise} | {row.count} | {row.lost} | {row.doubled}"
            f" | {row.invented} | {_recovery(row)} |"
        )


def _recovery(row: Row) -> str:
    if not row.seconds:
        return "never" if row.failures else ""
    ordered = sorted(row.seconds)
    told = f"{ordered[len(ordered) // 2]:.0f} s, {ordered[-1]:.0f} s"
    return f"{told}; {len(row.failures)} failed" if row.failures else told


def as_json(rows: Iterable[Row], **about: object) -> Mapping[str, Any]:
    """Return the whole outcome as JSON holds it."""
    return {**about, "cases": [{**asdict(row), "is_kept": row.is_kept} for row in rows]}


def of_json(kept: Mapping[str, Any]) -> list[Row]:
    """Return the rows of an outcome that was kept."""
    return [
        Row(**{name: value for name, value in row.items() if name != "is_kept"})
        for row in kept["cases"]
    ]
