"""Parses a batch of messages within its budget, around those that fail.

A text that is light by `encodings.body_weight` is parsed in this process, together with others; the
rest in the limited process. A message that fails there or here stands alone in the end, and the
messages beside it go on. `checks` decides what the rows are worth.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl
from polars.exceptions import PanicException

from energy_platform.encodings.body_weight import weight
from energy_platform.encodings.limited_process import within_limits
from energy_platform.errors import (
    OverBudgetError,
    ParseError,
    ReaderDiedError,
    UsageError,
    reason_of,
)
from energy_platform.market.budget import BATCH_SECONDS, MOST_ROWS
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED
from energy_platform.market.source import MarketSource, Parser

UNPARSED: Final = "parse"
"""The name of the check that a message fails if it can't be parsed at all."""

OVER_BUDGET: Final = "budget"
"""The name of the check that a message fails if it takes more than one may, or kills its reader."""

SET_ASIDE: Final = "set_aside"
"""The name of the check that a message fails if it was set aside, and so is not parsed."""

LOST: Final = "landing"
"""The name of the check that messages fail if the landing zone can't read them any more."""

_GROUP_SEPARATORS: Final = 400_000
_GROUP_BYTES: Final = 4 << 20
"""What is parsed together at most; a larger message is parsed by itself."""
_DEATHS: Final = 2
"""A message that has killed so many readers is not tried again."""

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """A message without rows, and the check that it fails."""

    landing_offset: int
    check: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What came of a batch.

    Attributes:
        frames: The rows, in landing order, with the columns of `parsed_dtypes`.
        failures: The messages that have none, in landing order.
        taken: How many messages were parsed, the first ones; the rest is another batch's.
    """

    frames: list[pl.DataFrame]
    failures: list[Failure]
    taken: int


class _Group(NamedTuple):
    """Messages that are parsed together."""

    messages: Sequence[RawMessage]
    is_light: bool

    def parts(self, error: BaseException) -> "Iterator[_Group]":
        """Yield smaller groups, in order: halves, or each message if one of them costs a reader."""
        count = len(self.messages)
        size = 1 if isinstance(error, OverBudgetError) and not self.is_light else (count + 1) // 2
        for start in range(0, count, size):
            yield _Group(self.messages[start : start + size], self.is_light)


def parse_messages(
    source: MarketSource,
    messages: Sequence[RawMessage],
    *,
    set_aside: Mapping[int, str],
    is_careful: bool = False,
) -> Parsed:
    """Parse messages, as many as a batch may hold the rows of, and one at least.

    Args:
        source: The messages' source.
        messages: The messages, in landing order.
        set_aside: The landing offsets of messages that are not to be parsed, and the reasons.
        is_careful: Whether all are parsed in the limited process.

    Raises:
        UsageError: The source's parser can't be called in the limited process.
    """
    frames: list[pl.DataFrame] = []
    unread = [_unread(one, set_aside) for one in messages]
    failures = [one for one in unread if one is not None]
    wanted = [one for one, why in zip(messages, unread, strict=True) if why is None]
    waiting = deque(_groups(wanted, is_careful=is_careful))
    deaths = Counter[int]()
    rows, began, has_begun = 0, time.monotonic(), False
    while waiting and not (has_begun and _is_full(rows, began)):
        group = waiting.popleft()
        try:
            frame = _rows(source, group)
        except UsageError:
            raise
        except (Exception, PanicException) as error:  # noqa: BLE001 (a payload may make a parser raise anything)
            if isinstance(error, ReaderDiedError):
                deaths.update(one.landing_offset for one in group.messages)
            if _is_told_apart(group, error, deaths):
                failures.append(_failure(source, group.messages[0], error))
                has_begun = True
            else:
                waiting.extendleft(reversed(list(group.parts(error))))
        else:
            frames.append(frame)
            rows += frame.height
            has_begun = True
    stop = waiting[0].messages[0].landing_offset if waiting else None
    taken = [one for one in messages if stop is None or one.landing_offset < stop]
    failures = [one for one in failures if stop is None or one.landing_offset < stop]
    return Parsed(frames, sorted(failures), len(taken))


def _unread(message: RawMessage, set_aside: Mapping[int, str]) -> Failure | None:
    """Return why a message is not parsed; None if it is to be."""
    offset = message.landing_offset
    if message.lost is not None:
        return Failure(offset, LOST, message.lost.reason)
    return Failure(offset, SET_ASIDE, set_aside[offset]) if offset in set_aside else None


def rows_of(parse: Parser, messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return the rows of messages, if they are no more than a message or a batch may have.

    Raises:
        OverBudgetError: They are more.
    """
    frame = parse(messages)
    if frame.height > MOST_ROWS:
        raise OverBudgetError(f"it has {frame.height:,} rows; {MOST_ROWS:,} is the most")
    return frame


def parsed_dtypes(source: MarketSource) -> dict[str, pl.DataType]:
    """Return a parser's columns: the table's without `received_at`, and `refused`."""
    dtypes = {name: dtype for name, dtype in source.dtypes.items() if name != "received_at"}
    return {**dtypes, REFUSED: pl.String()}


def _groups(messages: Sequence[RawMessage], *, is_careful: bool) -> Iterator[_Group]:
    """Yield messages in landing order, as many together as are read in the same way."""
    group: list[RawMessage] = []
    is_light, size, separators = True, 0, 0
    for message in messages:
        found = None if is_careful else weight(message.body)
        size += len(message.body)
        separators += found or 0
        is_other = (found is not None) is not is_light
        if group and (is_other or size > _GROUP_BYTES or separators > _GROUP_SEPARATORS):
            yield _Group(group, is_light)
            group, size, separators = [], len(message.body), found or 0
        is_light = found is not None
        group.append(message)
    if group:
        yield _Group(group, is_light)


def _is_full(rows: int, began: float) -> bool:
    return rows >= MOST_ROWS or time.monotonic() - began > BATCH_SECONDS


def _rows(source: MarketSource, group: _Group) -> pl.DataFrame:
    if group.is_light:
        frame = rows_of(source.parse, group.messages)
    else:
        frame = within_limits(f"{__name__}:{rows_of.__name__}", source.parse, group.messages)
    wanted = parsed_dtypes(source)
    found = {REFUSED: wanted[REFUSED], **frame.schema}
    if differences := sorted(set(wanted.items()) ^ set(found.items()), key=str):
        named = ", ".join(
            f"{name} {'expected' if wanted.get(name) == dtype else 'found'} as {dtype}"
            for name, dtype in differences
        )
        raise ParseError(f"columns differ from the table's: {named}")
    return frame


def _is_told_apart(group: _Group, error: BaseException, deaths: Counter[int]) -> bool:
    """Return whether it is known that this message fails: it stands alone, and not by chance."""
    if len(group.messages) > 1:
        return False
    died = isinstance(error, ReaderDiedError)
    return not died or deaths[group.messages[0].landing_offset] >= _DEATHS


def _failure(source: MarketSource, message: RawMessage, error: BaseException) -> Failure:
    offset, reason = message.landing_offset, reason_of(error)
    if not isinstance(error, OverBudgetError):
        return Failure(offset, UNPARSED, reason)
    _log.error("%s: the message at offset %d is quarantined: %s", source.name, offset, reason)
    return Failure(offset, OVER_BUDGET, reason)
