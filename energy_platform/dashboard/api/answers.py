"""The forms of an answer: JSON, CSV, Arrow and Parquet, each with an entity tag.

An answer never has more than its limit of rows, and says so when it was cut: JSON in `cut`, the
other forms in the header `X-Rows-Cut`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any, Final

import orjson
import polars as pl
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from energy_platform.dashboard.frames import OPTIONS
from energy_platform.encodings.spreadsheet import spreadsheet_csv

DEFAULT_ROWS: Final = 100_000
MOST_ROWS: Final = 1_000_000


class Form(StrEnum):
    """How an answer's rows are written."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


_TYPES: Final[Mapping[Form, str]] = {
    Form.JSON: "application/json",
    Form.CSV: "text/csv; charset=utf-8",
    Form.ARROW: "application/vnd.apache.arrow.stream",
    Form.PARQUET: "application/vnd.apache.parquet",
}


class Problem(BaseModel):
    """What is answered when something is wrong."""

    error: str
    name: str


Documented = dict[int | str, dict[str, Any]]
PROBLEMS: Final[Documented] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "This is no request that the server can read",
        401: "No login and no token, or one that has ended",
        403: "You may not see this",
        404: "There is nothing of this name",
        422: "The question can't be asked",
        503: "The stores don't answer, or too many ask",
    }.items()
}
AS_JSON: Final[Documented] = {
    status: {
        "description": said["description"],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, said in PROBLEMS.items()
}
"""The problems of a resource whose own answers are no JSON."""
IN_EVERY_FORM: Final[Documented] = {
    200: {
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string"}}
            for form, media_type in _TYPES.items()
            if form is not Form.JSON
        }
    }
}
"""What OpenAPI says of a resource that answers with a `Table`."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to answer with.

    Attributes:
        rows: The rows.
        about: What JSON says beside the rows.
        is_cut: Whether there are more rows than these.
        next: The address of those that follow; None if there are none, or they can't be asked for.
    """

    rows: pl.DataFrame
    about: Mapping[str, Any]
    is_cut: bool = False
    next: str | None = None

    @classmethod
    def limited(cls, rows: pl.DataFrame, about: Mapping[str, Any], limit: int) -> "Table":
        """Return the first rows, and whether there are more."""
        return cls(rows.head(limit), about, rows.height > limit)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's bytes, which any number of askers may share."""

    body: bytes
    media_type: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, table: Table, form: Form) -> "Answer":
        """Write a table in a form."""
        headers = {} if form is Form.JSON else {"X-Rows-Cut": str(table.is_cut).lower()}
        if form is not Form.JSON:
            name = f"{table.about.get('source', 'rows')}.{form}"
            headers["Content-Disposition"] = f'inline; filename="{name}"'
        if table.next is not None:
            headers["Link"] = f'<{table.next}>; rel="next"'
        return cls._tagged(_WRITERS[form](table), _TYPES[form], headers)

    @classmethod
    def of_document(cls, document: object) -> "Answer":
        """Write a JSON document."""
        return cls._tagged(orjson.dumps(document, option=OPTIONS), _TYPES[Form.JSON], {})

    @classmethod
    def _tagged(cls, body: bytes, media_type: str, headers: Mapping[str, str]) -> "Answer":
        tag = hashlib.blake2b(body, digest_size=16).hexdigest()
        said = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept"}
        return cls(body, media_type, {**headers, **said})

    def to(self, request: Request) -> Response:
        """Return the response; without the body if the asker has it already."""
        asked = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
        if asked & {self.headers["ETag"], f"W/{self.headers['ETag']}", "*"}:
            return Response(status_code=304, headers=dict(self.headers))
        return Response(self.body, media_type=self.media_type, headers=dict(self.headers))


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def form_of(request: Request, asked: Form | None) -> Form:
    """Return the form that a request wants, by `format` or by its `Accept`; JSON by default."""
    if asked is not None:
        return asked
    accept = request.headers.get("accept", "")
    accepted = [one.partition(";")[0].strip() for one in accept.split(",")]
    forms = {media_type.partition(";")[0]: form for form, media_type in _TYPES.items()}
    return next((forms[one] for one in accepted if one in forms), Form.JSON)


def _json(table: Table) -> bytes:
    paged = {} if table.next is None else {"next": table.next}
    document = {**table.about, "cut": table.is_cut, **paged, "rows": table.rows.to_dicts()}
    return orjson.dumps(document, option=OPTIONS)


def _csv(table: Table) -> bytes:
    return spreadsheet_csv(table.rows).encode()


def _arrow(table: Table) -> bytes:
    file = BytesIO()
    table.rows.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def _parquet(table: Table) -> bytes:
    file = BytesIO()
    table.rows.write_parquet(file)
    return file.getvalue()


_WRITERS: Final[Mapping[Form, Callable[[Table], bytes]]] = {
    Form.JSON: _json,
    Form.CSV: _csv,
    Form.ARROW: _arrow,
    Form.PARQUET: _parquet,
}
