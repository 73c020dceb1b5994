"""Decides which conditions are news: one that has lasted, that still lasts after hours, or is over.

Pure: known incidents and present conditions go in, open incidents and news come out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from energy_platform.operations.alerts.conditions import Condition

CALM: Final = timedelta(minutes=2)
"""How long a condition must be gone before it is over, so that a fluttering one is told once."""


class Told(StrEnum):
    """Why a line is told."""

    OPENED = "problem"
    REMINDED = "still"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that is, or just was, wrong.

    Attributes:
        key: Identifies the condition.
        text: What a message says of it.
        over: What a message says once it is over.
        opened_at: When it was first seen.
        seen_at: When it was last seen.
        told_at: When it was last told; None if it has not been.
    """

    key: str
    text: str
    over: str
    opened_at: datetime
    seen_at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """One line to be told."""

    told: Told
    text: str


def advance(
    known: Iterable[Incident], wrong: Iterable[Condition], now: datetime, *, reminder: timedelta
) -> tuple[list[Incident], list[News]]:
    """Return the incidents that are open now, and the news.

    Args:
        known: The incidents that were open.
        wrong: The conditions of this moment.
        now: The time.
        reminder: After how long an open incident is told again.
    """
    before = {incident.key: incident for incident in known}
    conditions = {condition.key: condition for condition in wrong}
    open_now: list[Incident] = []
    news: list[News] = []
    for key, condition in conditions.items():
        incident, line = _go_on(before.get(key), condition, now, reminder)
        open_now.append(incident)
        news += [line] if line else []
    for incident in _gone(before, conditions):
        if now - incident.seen_at < CALM:
            open_now.append(incident)
        elif incident.told_at is not None:
            news.append(News(Told.OVER, incident.over))
    return open_now, news


def _gone(
    before: Mapping[str, Incident], conditions: Mapping[str, Condition]
) -> Iterator[Incident]:
    return (incident for key, incident in before.items() if key not in conditions)


def _go_on(
    known: Incident | None, condition: Condition, now: datetime, reminder: timedelta
) -> tuple[Incident, News | None]:
    incident = Incident(
        key=condition.key,
        text=condition.text,
        over=condition.over,
        opened_at=known.opened_at if known else now,
        seen_at=now,
        told_at=known.told_at if known else None,
    )
    if incident.told_at is None:
        if now - incident.opened_at < condition.patience:
            return incident, None
        return replace(incident, told_at=now), News(Told.OPENED, incident.text)
    if now - incident.told_at < reminder:
        return incident, None
    return replace(incident, told_at=now), News(Told.REMINDED, incident.text)
