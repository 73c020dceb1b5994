"""JSON from outside: read whole, and its records turned into typed columns.

What a field means, and which are needed, is the business of a source or format.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from energy_platform.errors import ParseError

FieldType = pl.DataType | type[pl.DataType]

_EXCERPT_CHARACTERS: Final = 120


def json_object(body: str | bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        ParseError: The body is not JSON, or no object.
    """
    reply = _read(body)
    if not isinstance(reply, dict):
        raise ParseError("the reply is not a JSON object")
    return reply


def json_array(body: str | bytes) -> list[Any]:
    """Return the JSON array that a body is.

    Raises:
        ParseError: The body is not JSON, or no array.
    """
    reply = _read(body)
    if not isinstance(reply, list):
        raise ParseError("the reply is not a JSON array")
    return reply


def records(
    body: bytes, fields: Mapping[str, FieldType], *, path: Sequence[str] = ()
) -> pl.DataFrame:
    """Return a JSON array of objects as a table of these fields, one row per object, in order.

    A field that a record lacks is null. So is an empty text where a number or instant is wanted.
    Numbers and booleans may be given as text; a number that is none becomes NaN, which no check
    lets through, and an instant (ISO 8601, UTC where it does not say) that is none becomes null.

    Args:
        body: The reply.
        fields: Names of fields and the types that they become: text, numbers, instants (`INSTANT`),
            dates or booleans.
        path: The fields of the reply that lead to the array; none if it is the reply itself.

    Raises:
        ParseError: The body is not JSON, holds no array of objects there, or a field holds an
            object or array.
    """
    shape: pl.DataType = pl.List(pl.Struct(dict.fromkeys(fields, pl.String)))
    for name in reversed(path):
        shape = pl.Struct({name: shape})
    found = decoded(body, shape)
    for name in path:
        found = found.struct.field(name)
    if found.has_nulls():
        raise ParseError(f"the reply holds no records at {'.'.join(path) or 'its top'}")
    return (
        found.explode(empty_as_null=False)
        .struct.unnest()
        .select(_typed(name, dtype) for name, dtype in fields.items())
    )


def decoded(body: bytes, shape: pl.DataType) -> pl.Series:
    """Return JSON of a known shape as a series of one value; what is not there is null.

    Numbers become text where the shape says so, and fields that it does not name are left out.

    Raises:
        ParseError: The body is not JSON, or not of this shape.
    """
    if not body.strip():
        raise ParseError("the reply is empty")
    try:
        return pl.Series("reply", [_text(body)]).str.json_decode(shape)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError) as error:
        raise ParseError(f"no records of the known form: {_words(str(error))}") from error


def number(text: pl.Expr) -> pl.Expr:
    """Return text as numbers: null where it is null or empty, NaN where it is no number."""
    stripped = text.str.strip_chars()
    garbled = pl.when(stripped.str.len_chars() > 0).then(float("nan"))
    return pl.coalesce(stripped.cast(pl.Float64, strict=False), garbled)


def instant(text: pl.Expr) -> pl.Expr:
    """Return ISO 8601 text as UTC instants; null where it is none. Without an offset it is UTC."""
    return text.str.strip_chars().str.to_datetime(time_unit="us", time_zone="UTC", strict=False)


def _read(body: str | bytes) -> Any:  # noqa: ANN401 (JSON may be anything)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        text = body if isinstance(body, str) else body.decode("utf-8", errors="replace")
        raise ParseError(f"the reply is not JSON ({error}): {_words(text)}") from error


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"the reply is not UTF-8: {error}") from error


def _words(text: str) -> str:
    return " ".join(text[:_EXCERPT_CHARACTERS].split())


def _typed(name: str, dtype: FieldType) -> pl.Expr:
    text = pl.col(name)
    if dtype.is_float():
        return number(text)
    if dtype.is_integer():
        return text.str.strip_chars().cast(dtype, strict=False)
    if dtype == pl.Boolean:
        return (
            text.str.strip_chars()
            .str.to_lowercase()
            .replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
        )
    if dtype == pl.Date:
        return text.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    if dtype == pl.String:
        return text
    return instant(text)
