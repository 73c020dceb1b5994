"""Marks a row that says something else of the same moment than the row before it."""

from typing import Final

from energy_platform.dashboard.frames import Row
from energy_platform.market.rows import PROVENANCE_COLUMNS

REVISED: Final = "revised"
_NO_VALUES: Final = frozenset({"id", "flags", "was", "source", "published_at", *PROVENANCE_COLUMNS})


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
