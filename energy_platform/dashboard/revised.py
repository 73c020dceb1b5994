"""The marks of a row: it says something else of the same moment, or a newer value was refused."""

from collections.abc import Mapping
from typing import Any, Final

from energy_platform.dashboard.frames import Row
from energy_platform.market.table import PROVENANCE_COLUMNS

REVISED: Final = "revised"
QUARANTINED: Final = "quarantined"
MARK: Final = "quarantine"
"""Where a row says what was refused of it."""
_NO_VALUES: Final = frozenset(
    {"id", "flags", "was", MARK, "source", "published_at", *PROVENANCE_COLUMNS}
)


def marked(before: Row, now: Row, moment: str | None) -> Row:
    """Return a row with the flag `revised`, and with `was`, the old values, if it is a revision.

    Args:
        before: The row that it replaces.
        now: The row.
        moment: The column that dates the rows; None if other values are no revision.

    >>> marked({"id": "a", "at": 1, "mw": 5}, {"id": "a", "at": 1, "mw": 6}, "at")
    {'id': 'a', 'at': 1, 'mw': 6, 'flags': ['revised'], 'was': {'mw': 5}}
    >>> marked({"id": "a", "at": 1, "mw": 5}, {"id": "a", "at": 2, "mw": 6}, "at")
    {'id': 'a', 'at': 2, 'mw': 6}
    """
    if moment is None or before.get(moment) != now.get(moment):
        return now
    was = {
        name: before.get(name)
        for name in now
        if name not in _NO_VALUES and before.get(name) != now[name]
    }
    if was:
        flags = [*(flag for flag in now.get("flags", ()) if flag != REVISED), REVISED]
        return {**now, "flags": flags, "was": was}
    # The same values again, at most from another message: what was said of them stays.
    said = {name: before[name] for name in ("flags", "was") if name in before}
    if now.get("landing_offset") is None:
        said |= {name: before[name] for name in PROVENANCE_COLUMNS if name in before}
    return {**now, **said}


def with_mark(row: Row, mark: Mapping[str, Any] | None) -> Row:
    """Return a row with the mark that a newer value is in quarantine, or without one.

    >>> with_mark({"id": "a", "flags": ["revised"]}, {"reason": "too high"})
    {'id': 'a', 'flags': ['revised', 'quarantined'], 'quarantine': {'reason': 'too high'}}
    >>> with_mark({"id": "a", "flags": ["quarantined"], "quarantine": {}}, None)
    {'id': 'a'}
    """
    flags = [flag for flag in row.get("flags", ()) if flag != QUARANTINED]
    plain = {name: value for name, value in row.items() if name not in {"flags", MARK}}
    if mark is None:
        return {**plain, "flags": flags} if flags else plain
    return {**plain, "flags": [*flags, QUARANTINED], MARK: mark}


def still_marked(before: Row, now: Row, moment: str | None) -> Mapping[str, Any] | None:
    """Return the mark that a row keeps from the row before it: the refused value is newer still."""
    mark: Mapping[str, Any] | None = before.get(MARK)
    came_at = now.get("received_at")
    if mark is None or (came_at is not None and came_at >= mark["at"]):
        return None
    is_moved = moment is not None and before.get(moment) != now.get(moment)
    return None if is_moved else mark
