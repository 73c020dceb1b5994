"""Tells what a question is about from the window that it asks for.

A feed's requests are a pure function of their window. Parts of a request's key that recur in the
requests for another window name the subject; the other parts name the window.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import unquote_plus

_ELSEWHEN: Final = timedelta(days=1_000, hours=5, minutes=17)
"""How far away the other window is: it shares no day, weekday, hour or minute with this one."""
_BETWEEN_PARTS: Final = re.compile(r"[/?&@]+")


class PollRequest(Protocol):
    """One request of a round."""

    @property
    def key(self) -> str:
        """Identifies the request within the source; the same on the next round."""


RequestT = TypeVar("RequestT", bound=PollRequest)

RequestsOf = Callable[[datetime, datetime], Sequence[RequestT]]
"""Returns the requests that ask for a window."""


@dataclass(frozen=True, slots=True)
class Question(Generic[RequestT]):
    """A request, and what it is about.

    Attributes:
        request: The request.
        subject: What it is about, whatever the window: a bidding zone, a list.
        name: The name under which its progress is kept: the subject, if one request per window is
            about it; otherwise the whole key, e.g. of one day of several.
        label: What distinguishes it from others of its window, for people to read.
    """

    request: RequestT
    subject: str
    name: str
    label: str

    @property
    def key(self) -> str:
        """The request's key."""
        return self.request.key


def questions(
    requests: RequestsOf[RequestT], start: datetime, end: datetime
) -> list[Question[RequestT]]:
    """Return the questions for [start, end), in the order of their requests.

    >>> @dataclass
    ... class Asked:
    ...     key: str
    >>> def requests(start, end):
    ...     return [Asked(f"https://a.example/?zone={zone}&from={start:%Y-%m-%d}") for zone in "AB"]
    >>> asked = questions(requests, datetime(2026, 3, 1), datetime(2026, 3, 2))
    >>> [(question.name, question.label) for question in asked]
    [('https:/a.example/zone=A', 'zone=A'), ('https:/a.example/zone=B', 'zone=B')]
    """
    asked = requests(start, end)
    elsewhere = [_parts(each.key) for each in requests(start - _ELSEWHEN, end - _ELSEWHEN)]
    lasting = {part for parts in elsewhere for part in parts}
    subjects = [_subject(_parts(each.key), lasting) for each in asked]
    there = Counter(_subject(parts, lasting) for parts in elsewhere)
    here = Counter(subjects)
    names = [
        subject if max(here[subject], there[subject]) == 1 else each.key
        for each, subject in zip(asked, subjects, strict=True)
    ]
    return [
        Question(*each)
        for each in zip(asked, subjects, names, _labels(map(_parts, names)), strict=True)
    ]


def _parts(key: str) -> list[str]:
    return _BETWEEN_PARTS.split(key)


def _subject(parts: Iterable[str], lasting: set[str]) -> str:
    return "/".join(part for part in parts if part in lasting)


def _labels(names: Iterable[list[str]]) -> list[str]:
    """Return, for each name, the parts that not all names have."""
    told = list(names)
    shared = set[str]().union(*told).intersection(*told) if len(told) > 1 else set()
    return [
        unquote_plus("&".join(part for part in parts if part not in shared) or "/".join(parts))
        for parts in told
    ]
