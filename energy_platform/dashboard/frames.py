"""The messages that viewers get, as JSON texts; each is encoded once for all viewers.

Instants are ISO 8601 in UTC with a `Z`, and a number that is not finite is null.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

Row = dict[str, Any]
"""A row as a viewer gets it; `id` tells it from the other rows of its topic."""

OPTIONS: Final = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC


@dataclass(frozen=True, slots=True)
class Changes:
    """What changes in a topic.

    Attributes:
        rows: Rows that are new or different.
        gone: The ids of those that went.
        must_ask: Whether only the stores know what has changed.
    """

    rows: Sequence[Row] = ()
    gone: Sequence[str] = ()
    must_ask: bool = False


def snapshot(topic: str, epoch: str, sequence: int, rows: Iterable[Row]) -> str:
    """Return the message that replaces all that a viewer has of a topic."""
    return _text({"t": topic, "e": epoch, "s": sequence, "snap": 1, "rows": list(rows)})


def update(topic: str, epoch: str, sequence: int, changes: Changes) -> str:
    """Return the message with what has changed in a topic."""
    gone = {"gone": list(changes.gone)} if changes.gone else {}
    return _text({"t": topic, "e": epoch, "s": sequence, "rows": list(changes.rows), **gone})


def trouble(topic: str, error: str) -> str:
    """Return the message that a topic can't be shown, or no further."""
    return _text({"t": topic, "error": error})


def beat(why: Mapping[str, datetime]) -> str:
    """Return the message of each second.

    Args:
        why: What may be behind, and why, each with since when; nothing while all is well.
    """
    reasons = sorted(why)
    said = {"behind": bool(reasons), "why": reasons, "since": [why[one] for one in reasons]}
    return _text({"t": "beat", "at": datetime.now(UTC), **said})


def _text(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message, option=OPTIONS).decode()
