"""The parameters that several resources share, as they stand in an address."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import polars as pl
from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request

from energy_platform.dashboard.api.answers import DEFAULT_ROWS, MOST_ROWS, Form
from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import AsOf
from energy_platform.market.instants import parse_instant
from energy_platform.market.source import MarketSource
from energy_platform.reading.where import Value

_SPAN: Final = TypeAdapter(timedelta)
_LONGEST: Final = timedelta(days=36_525)
_FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)

AsOfText = Annotated[
    str | None,
    Field(
        description="Only what was known by then: an instant; a lead time before each delivery, "
        "`PT1H`; or a daily moment before it, `D-1 12:00 Europe/Berlin`.",
        examples=["2026-03-01T11:00:00Z"],
    ),
]
InstantText = Annotated[str | None, Field(description="ISO 8601; UTC where no offset is given.")]
Columns = Annotated[
    str | None,
    Field(description="Columns, separated by commas; keys and times are always there."),
]
Format = Annotated[Form | None, Field(description="Instead of the Accept header.")]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS, description="The most rows that are answered.")]
ROWS: Final = DEFAULT_ROWS


def as_of(text: str | None) -> AsOf | None:
    """Read `as_of`.

    Raises:
        UsageError: It has none of the three forms.
    """
    if text is None:
        return None
    if text.startswith("D-"):
        return text
    if text.startswith(("P", "-P")):
        return span(text)
    return _sensible(parse_instant(text))


def instant(text: str | None) -> datetime | None:
    """Read an instant.

    Raises:
        UsageError: It is none.
    """
    return None if text is None else _sensible(parse_instant(text))


def span(text: str) -> timedelta:
    """Read a duration of ISO 8601.

    Raises:
        UsageError: It is none.
    """
    try:
        read = _SPAN.validate_python(text)
    except ValidationError:
        raise UsageError(f"not a duration in ISO 8601: {text!r}") from None
    if abs(read) > _LONGEST:
        raise UsageError(f"{text!r} is longer than a hundred years")
    return read


def _sensible(instant: datetime) -> datetime:
    """Refuse an instant so far away that no time before or after it can be told."""
    if not _FIRST <= instant < _LAST:
        raise UsageError(f"{instant:%Y-%m-%d} is not from {_FIRST.year} to {_LAST.year - 1}")
    return instant


def columns(source: MarketSource, asked: str | None, always: Sequence[str]) -> list[str]:
    """Return the columns of an answer, in the table's order.

    Args:
        source: The source.
        asked: Columns, separated by commas; all, if None.
        always: Columns that are always there.

    Raises:
        UsageError: There is no such column.
    """
    if asked is None:
        return list(source.dtypes)
    wanted = {name.strip() for name in asked.split(",") if name.strip()}
    if unknown := sorted(wanted - set(source.dtypes)):
        raise UsageError(f"{source.name} has no column {', '.join(unknown)}")
    return [name for name in source.dtypes if name in wanted or name in always]


def filters(
    request: Request, source: MarketSource, known: Sequence[str]
) -> Mapping[str, Sequence[Value]]:
    """Return the wanted values of key columns; every other parameter must be a known one.

    Raises:
        UsageError: There is no such parameter.
    """
    wanted: dict[str, list[Value]] = {}
    for name, value in request.query_params.multi_items():
        if name in known:
            continue
        if name not in source.key:
            raise UsageError(
                f"there is no parameter {name!r}; {source.name} can be filtered by "
                f"{', '.join(source.key)}"
            )
        wanted.setdefault(name, []).append(_value(source, name, value))
    return wanted


def _value(source: MarketSource, column: str, text: str) -> Value:
    """Read the value of a key column."""
    dtype = source.dtypes[column]
    try:
        if isinstance(dtype, pl.Datetime):
            return _sensible(parse_instant(text))
        if dtype == pl.Boolean:
            return {"true": True, "false": False}[text.lower()]
        if dtype.is_numeric():
            return int(text) if dtype.is_integer() else float(text)
    except (KeyError, ValueError):
        raise UsageError(f"{column} is {dtype} in {source.name}, and not {text!r}") from None
    return text
