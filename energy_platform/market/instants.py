"""Instants as people write them, and as stores keep them."""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError

INSTANT: Final = pl.Datetime("us", "UTC")
"""The only type of time inside the platform: a UTC instant in microseconds."""

OUR_TIME: Final = (datetime(1800, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
"""Every instant of a market table lies between these two."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def parse_instant(text: str) -> datetime:
    """Read an instant from ISO 8601 text.

    Text without an offset is UTC, and a date is its midnight.

    >>> parse_instant("2026-03-29").isoformat()
    '2026-03-29T00:00:00+00:00'

    Raises:
        UsageError: The text is not an instant.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not an instant in ISO 8601: {text!r}") from None
    return utc(parsed) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def utc(instant: datetime) -> datetime:
    """Return the same instant in UTC: no store compares instants of two time zones.

    Raises:
        UsageError: The instant has no time zone, or no calendar has it in UTC.
    """
    if instant.tzinfo is None:
        raise UsageError(f"{instant} needs a time zone, e.g. datetime(2026, 3, 1, tzinfo=UTC)")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{instant} is beyond the calendar") from None


def microseconds(instant: datetime) -> int:
    """Return an instant in whole microseconds since 1970, which a float would round."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """Return the instant that a store keeps as this number of microseconds."""
    return _EPOCH + timedelta(microseconds=microseconds)
