"""The JSON documents of the API, as OpenAPI describes them; a test holds every answer to them.

The server writes answers without these models, since many of them are large.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Cell = str | float | bool | None
"""A value of a row; an instant is ISO 8601 in UTC."""
Row = dict[str, Cell | list[str]]


class Document(BaseModel):
    """A document that has no other names than these."""

    model_config = ConfigDict(extra="forbid")


class Rows(Document):
    """Rows of one source, with what was asked for."""

    source: str
    as_of: Annotated[str | None, Field(description="As it was asked for.")]
    cut: Annotated[bool, Field(description="Whether there are more rows than these.")]
    rows: list[Row]


class PagedRows(Rows):
    """Rows of one source, and where those that follow are."""

    next: Annotated[str, Field(description="The address of the next page; absent on the last.")] = (
        ""
    )


class RangeRows(PagedRows):
    """Rows of a span of time."""

    start: datetime
    end: datetime | None


class LatestRows(PagedRows):
    """Of each series the row that held at a moment."""

    at: datetime


class SpanRows(Rows):
    """Rows of a span of time, all on one page."""

    start: datetime
    end: datetime


class Column(Document):
    """A column of a source or mart."""

    name: str
    dtype: str
    unit: str | None
    description: str | None


class Entry(Document):
    """A source or mart."""

    name: str
    kind: Literal["source", "mart"]
    provider: str
    protocol: str
    group: str
    description: str
    event_time: str
    key: list[str]
    columns: list[Column]
    expected_lag_seconds: float
    terms: str
    needs: list[str]
    upstream: list[str]
    zone: str | None
    dagster_url: str


class Catalogue(Document):
    """Every source and mart, and what topics may be asked of."""

    simulated: bool
    sources: list[Entry]
    areas: list[str]
    products: list[str]
    frequencies: dict[str, str]


class Message(Document):
    """A landed message."""

    offset: int
    received_at: datetime
    context: dict[str, str]
    content_type: str | None
    size_bytes: int


class Refused(Document):
    """A row or message in quarantine."""

    reason: str
    check: str
    row: Annotated[str | None, Field(description="The row as JSON; null of a whole message.")]
    received_at: datetime
    offset: int


class Lineage(Document):
    """Where a value came from."""

    source: str
    message: Message | None
    revisions: list[Row]
    quarantined: list[Refused]
    dagster_url: str


class Accepted(Document):
    """A submission that will land."""

    id: str
    rows: int
    portfolios: list[str]


class WrongRow(Document):
    """What is wrong with a line of a submission."""

    line: int
    column: str | None
    reason: str


class RefusedSubmission(Document):
    """Why a submission was not taken."""

    error: str
    name: str
    rows: list[WrongRow]
