"""JSON replies: read as a whole, and their records turned into typed columns.

One bad value costs its own place and no other. polars decodes a reply of the expected shape in one
pass. A reply with something unexpected is read by Python, which replaces what does not fit the
shape; polars then decodes the rest in the same way.

Each source or format knows what a field means, and which fields are needed.
"""

import contextlib
import json
import math
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, cast

import polars as pl

from energy_platform.errors import ParseError

FieldType = pl.DataType | type[pl.DataType]

_EXCERPT_CHARACTERS: Final = 120
_GARBLED: Final = "\ufffd"
"""The replacement for a list or an object in the place of a single value."""
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^\s,:\[\]{}"]+', re.DOTALL)
"""A text, to the end if it has none, so that no byte is looked at twice; or a bare word."""
_LITERAL: Final = re.compile(
    r'".*|true|false|null|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?', re.DOTALL
)
_LONGEST_INTEGER: Final = 38
"""Number of digits; a longer integer is read as a float."""
_PORTION: Final = 2**19
"""How much text polars decodes at once. Of 10 MB, a byte takes up to three times as long."""
_BETWEEN_RECORDS: Final = "},{"


def json_object(body: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises:
        ParseError: The body is not JSON, or no object.
    """
    reply = read_json(body)
    if not isinstance(reply, dict):
        raise ParseError("the reply is not a JSON object")
    return reply


def json_array(body: str | bytes) -> list[Any]:
    """Return the JSON array of a body.

    Raises:
        ParseError: The body is not JSON, or no array.
    """
    reply = read_json(body)
    if not isinstance(reply, list):
        raise ParseError("the reply is not a JSON array")
    return reply


def records(
    body: bytes, fields: Mapping[str, FieldType], *, path: Sequence[str] = ()
) -> pl.DataFrame:
    """Return a JSON array of objects as a table of these fields, one row per object, in order.

    A field that a record lacks is null. So is an empty text in the place of a number or instant.
    Numbers and booleans may be given as text. A malformed number becomes NaN, which no check lets
    through; a malformed instant (ISO 8601, UTC without an offset) becomes null. A list or an object
    in the place of a text is null. An element that is no object is a row whose texts and instants
    are null and whose numbers are NaN.

    Args:
        body: The reply.
        fields: Names of fields and their types: text, numbers, instants (`INSTANT`), dates or
            booleans.
        path: The fields of the reply that lead to the array; none if it is the reply itself.

    Raises:
        ParseError: The body is not JSON, or has no array at the path.
    """
    array = pl.List(pl.Struct(dict.fromkeys(fields, pl.String)))
    found = _decoded_in_portions(body, array, path) if len(body) > _PORTION else None
    if found is None:
        shape: pl.DataType = array
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


def _decoded_in_portions(body: bytes, array: pl.List, path: Sequence[str]) -> pl.Series | None:
    """Return an array of objects as some arrays that follow one another; None if it can't be cut.

    A cut within a text or within an object leaves portions that are not JSON. So if what is around
    the array is JSON, and each portion is, then the array is that of the reply.
    """
    said = _text(body)
    start, end = said.find("[") + 1, said.rfind("]")
    try:
        around = json.loads(said[:start] + said[end:])
        for name in path:
            around = around[name]
        if around != []:
            return None
        portions = [
            pl.Series("reply", [f"[{portion}]"]).str.json_decode(array)
            for portion in _portions(said, start, end)
        ]
    except (ValueError, LookupError, TypeError, RecursionError, pl.exceptions.PolarsError):
        return None
    found = pl.concat(portions)
    return found if len(found) == len(portions) and not _lacks_elements(found) else None


def _portions(said: str, start: int, end: int) -> Iterator[str]:
    """Cut [start, end) of a text between two records, where there may be a cut."""
    while (cut := said.find(_BETWEEN_RECORDS, start + _PORTION, end)) >= 0:
        yield said[start : cut + 1]
        start = cut + len(_BETWEEN_RECORDS) - 1
    yield said[start:end]


def decoded(body: bytes, shape: pl.DataType) -> pl.Series:
    """Return JSON of a known shape as a series of one value; missing parts are null.

    The leaves of a shape are texts, also for numbers and booleans: `number`, `integer`, `boolean`,
    `instant` and `text` convert them. Fields that the shape does not name are left out. Something
    else in the place of a list is null. An element of a list of objects that is no object has no
    valid value.

    Raises:
        ParseError: The body is not JSON, or as a whole not of this shape.
    """
    if not body.strip():
        raise ParseError("the reply is empty")
    said = _text(body)
    try:
        found = pl.Series("reply", [said]).str.json_decode(shape)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        found = None
    # polars reads "1,2" as two values, and keeps null elements of a list.
    if found is not None and len(found) == 1 and not _lacks_elements(found):
        return found
    value = read_json(said)
    if not _is_of(value, shape):
        raise ParseError(f"no records of the known form: {_words(said)}")
    return pl.Series("reply", [json.dumps(_fitted(value, shape))]).str.json_decode(shape)


def decoded_each(bodies: Sequence[bytes], shape: pl.Struct | pl.List) -> pl.Series:
    """Return JSON objects or arrays of objects, each decoded as `decoded` would, in one pass.

    A body that can't be read makes the others slower, and does no other harm.

    Args:
        bodies: The replies.
        shape: An object that has a text among its fields, or a list of such objects.

    Raises:
        ParseError: A body is not JSON, or as a whole not of this shape.
    """
    if len(bodies) > 1:
        is_portion = sum(map(len, bodies)) <= _PORTION
        found = _decoded_together(bodies, shape) if is_portion else None
        if found is not None:
            return found
        middle = len(bodies) // 2
        halves = (bodies[:middle], bodies[middle:])
        return pl.concat(decoded_each(half, shape) for half in halves)
    return pl.concat([pl.Series("reply", [], shape), *(decoded(body, shape) for body in bodies)])


def _decoded_together(bodies: Sequence[bytes], shape: pl.Struct | pl.List) -> pl.Series | None:
    """Return all bodies in order; None if one of them has to be read by itself.

    polars joins the texts that it decodes with commas, so the next body could complete one that was
    cut off. After each body therefore comes a value of this module with a name that no body can
    know: if all of these come out, each in its place, then what is between them is one value.
    """
    is_list = isinstance(shape, pl.List)
    element = cast("pl.Struct", shape.inner if isinstance(shape, pl.List) else shape)
    label = next(field.name for field in element.fields if field.dtype == pl.String)
    mark = secrets.token_hex(8)
    objects = [{label: f"{mark}{number}"} for number in range(len(bodies))]
    marks = [json.dumps([one] if is_list else one) for one in objects]
    try:
        texts = pl.Series("reply", [*chain(*zip(map(_text, bodies), marks, strict=True))])
        found = texts.str.json_decode(shape)
    except (ParseError, pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None
    if len(found) != len(texts):
        return None
    replies, marked = found.gather_every(2), found.gather_every(2, 1)
    marked = marked.explode(empty_as_null=True) if is_list else marked
    said = marked.struct.field(label).to_list()
    are_apart = said == [f"{mark}{number}" for number in range(len(bodies))]
    return replies if are_apart and not _lacks_elements(replies) else None


def text(value: pl.Expr) -> pl.Expr:
    """Return a decoded text; null if it was a list or an object."""
    return pl.when(value != _GARBLED).then(value)


def number(text: pl.Expr) -> pl.Expr:
    """Return text as numbers: null if it is null or empty, NaN if it is malformed."""
    stripped = text.str.strip_chars()
    garbled = pl.when(stripped.str.len_chars() > 0).then(float("nan"))
    return pl.coalesce(stripped.cast(pl.Float64, strict=False), garbled)


def integer(text: pl.Expr) -> pl.Expr:
    """Return text as whole numbers; null if it is none."""
    return text.str.strip_chars().cast(pl.Int64, strict=False)


def boolean(text: pl.Expr) -> pl.Expr:
    """Return text as booleans; null if it is neither `true` nor `false`."""
    return (
        text.str.strip_chars()
        .str.to_lowercase()
        .replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    )


def instant(text: pl.Expr) -> pl.Expr:
    """Return ISO 8601 text as UTC instants; null if malformed. Without an offset it is UTC."""
    return text.str.strip_chars().str.to_datetime(time_unit="us", time_zone="UTC", strict=False)


def read_json(body: str | bytes) -> Any:  # noqa: ANN401 (a JSON value may have any type)
    """Return the content of a JSON body; a bare word in the place of a value is read as text.

    Raises:
        ParseError: The body is not JSON.
    """
    try:
        return json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        text = body if isinstance(body, str) else body.decode("utf-8", errors="replace")
        with contextlib.suppress(ValueError, RecursionError):
            reply = json.loads(_TOKEN.sub(_as_literal, text), parse_int=_integer)
            # A body that consists of one bare word is not JSON.
            if isinstance(reply, dict | list):
                return reply
        raise ParseError(f"the reply is not JSON ({error}): {_words(text)}") from error


def _as_literal(token: re.Match[str]) -> str:
    """Return a bare word that JSON does not have, such as `-nan`, as text."""
    said = token.group()
    return said if _LITERAL.fullmatch(said) else json.dumps(said)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _lacks_elements(found: pl.Series) -> bool:
    """Return whether a list of objects, anywhere inside, has a null element."""
    if isinstance(found.dtype, pl.Struct):
        # Taking a field out of a struct costs more than reading its type.
        nested = [field.name for field in found.dtype.fields if field.dtype.is_nested()]
        return any(_lacks_elements(found.struct.field(name)) for name in nested)
    if isinstance(found.dtype, pl.List) and found.dtype.inner != pl.String:
        elements = found.explode(empty_as_null=False, keep_nulls=False)
        return elements.has_nulls() or _lacks_elements(elements)
    return False


def _is_of(value: object, shape: pl.DataType) -> bool:
    """Return whether a value is a list or an object as its shape is."""
    return isinstance(value, list if isinstance(shape, pl.List) else dict) or value is None


def _fitted(value: Any, shape: Any) -> Any:  # noqa: ANN401 (a JSON value may have any type)
    """Return a value in which everything is replaced that does not fit its shape or JSON's text."""
    if isinstance(shape, pl.List):
        if not isinstance(value, list):
            return None
        return [_element(each, shape.inner) for each in value]
    if isinstance(shape, pl.Struct):
        if not isinstance(value, dict):
            return None
        return {field.name: _fitted(value.get(field.name), field.dtype) for field in shape.fields}
    return _GARBLED if isinstance(value, list | dict) else _single(value)


def _single(value: Any) -> Any:  # noqa: ANN401 (a text, a number, a boolean or null)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _element(value: Any, shape: Any) -> Any:  # noqa: ANN401 (a JSON value may have any type)
    """Return an element of a list; if it should be an object and isn't, its fields are garbled."""
    if isinstance(shape, pl.Struct) and not isinstance(value, dict):
        return _fitted({field.name: {} for field in shape.fields}, shape)
    return _fitted(value, shape)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParseError(f"the reply is not UTF-8: {error}") from error


def _words(text: str) -> str:
    return " ".join(text[:_EXCERPT_CHARACTERS].split())


def _typed(name: str, dtype: FieldType) -> pl.Expr:
    said = pl.col(name)
    if dtype.is_float():
        return number(said)
    if dtype.is_integer():
        return integer(said).cast(dtype, strict=False)
    if dtype == pl.Boolean:
        return boolean(said)
    if dtype == pl.Date:
        return said.str.strip_chars().str.to_date("%Y-%m-%d", strict=False)
    if dtype == pl.String:
        return text(said)
    return instant(said)
