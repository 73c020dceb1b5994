"""Reads a feed's cursor, and begins anew where it can't be read.

A cursor is no truth: it saves questions. A feed without one asks again for what it has landed, and
what comes twice is stored once. Each feed defines what its cursor says.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from energy_platform.errors import FeedError

Kept = TypeVar("Kept")

_log = logging.getLogger(__name__)


def read_or_begin_anew(
    source_name: str, cursor: str | None, read: Callable[[str | None], Kept]
) -> Kept:
    """Return what a cursor says; if it can't be read, what no cursor says, and log it.

    Args:
        source_name: The feed's source.
        cursor: The cursor that was landed last.
        read: Reads a cursor, or none.
    """
    try:
        return read(cursor)
    except (FeedError, ValueError, TypeError, LookupError, AttributeError) as error:
        said = " ".join(str(error).split())
        _log.error(
            "%s: its cursor can't be read (%.200s): the feed begins anew, and what comes twice is"
            " stored once",
            source_name, said,
        )  # fmt: skip
        return read(None)
