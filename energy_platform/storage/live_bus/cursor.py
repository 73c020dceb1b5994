"""A follower's cursor: its place in the stream of each source, as a text that it may keep."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from energy_platform.errors import UsageError

BEGINNING: Final = "0-0"
"""The entry before the first one of any stream."""


class Place(NamedTuple):
    """A place in one source's stream.

    Attributes:
        entry: The last entry that was read.
        copy: The name of the hot copy that the entry's rows are in; None before the first entry.
        stop: The landing offset that the entry reaches; None before the first entry.
    """

    entry: Annotated[str, Field(pattern=r"^[0-9]{1,20}-[0-9]{1,20}$")] = BEGINNING
    copy: str | None = None
    stop: int | None = None


_PLACES: Final = TypeAdapter(dict[str, Place])


def cursor_of(places: Mapping[str, Place]) -> str:
    """Return places as a text."""
    return _PLACES.dump_json(dict(places)).decode()


def places_of(cursor: str | None, sources: Iterable[str]) -> dict[str, Place]:
    """Return a cursor's places of those sources that it has.

    Raises:
        UsageError: The text is no cursor.
    """
    if cursor is None:
        return {}
    try:
        places = _PLACES.validate_json(cursor)
    except ValidationError:
        raise UsageError("the cursor is not one of the live bus") from None
    return {name: places[name] for name in sources if name in places}
