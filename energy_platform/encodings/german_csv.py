"""CSV as German publishers write it: semicolons between fields, commas before decimals.

Tables are read as text. Each format knows its columns and their types.
"""

from typing import Final

import polars as pl

from energy_platform.errors import ParseError
from energy_platform.market.rows import REFUSED

_ENCODINGS: Final = ("utf-8-sig", "cp1252")
_QUOTED: Final = r'"(?:[^"]|"")*"'
_GROUPED: Final = r"^[+-]?\d{1,3}(\.\d{3})+,\d+$"
_PLAIN: Final = r"^[+-]?\d+(,\d+)?$"


def text_table(
    body: bytes, *, separator: str = ";", quote: str | None = None, line: str | None = None
) -> pl.DataFrame:
    """Return a table of text, its columns' names stripped.

    The column `refused` says why a line does not belong to the table; it is null for all others.

    Args:
        body: The table.
        separator: What stands between fields.
        quote: What stands around a field that contains the separator; None for nothing. A quoted
            field ends on its line.
        line: The name of a column with each line's number in the body, from 1; None for none.

    Raises:
        ParseError: The body is no such table, or no line has as many fields as the first.
    """
    lines = pl.Series(decoded(body).replace("\r\n", "\n").split("\n"), dtype=pl.String)
    is_filled = lines.str.strip_chars() != ""
    filled = lines.filter(is_filled)
    numbers = is_filled.arg_true().cast(pl.Int64) + 1
    if filled.is_empty():
        raise ParseError("there is no line")
    bare = filled if quote is None else filled.str.replace_all(_QUOTED, "")
    fields = bare.str.count_matches(separator, literal=True) + 1
    is_line = fields == fields.first()
    is_open = bare.str.contains(quote, literal=True) if quote is not None else fields < 0
    is_line &= ~is_open
    if len(filled) > 1 and is_line.sum() == 1:
        counts = fields.sort().to_list()
        raise ParseError(f"lines have {counts[0]} to {counts[-1]} fields")
    try:
        table = pl.read_csv(
            "\n".join(filled.filter(is_line)).encode(),
            separator=separator,
            quote_char=quote,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(f"not a table: {' '.join(str(error).split())}") from error
    reasons = [
        "a quote has no end on its line" if opened else f"a line of {count} fields, not {fields[0]}"
        for count, opened in zip(fields.filter(~is_line), is_open.filter(~is_line), strict=True)
    ]
    ragged = pl.DataFrame({REFUSED: reasons}, schema={REFUSED: pl.String})
    table = table.rename(str.strip)
    if line is not None:
        table = table.with_columns(numbers.filter(is_line).slice(1).alias(line))
        ragged = ragged.with_columns(numbers.filter(~is_line).alias(line))
    found: pl.DataFrame = pl.concat([table, ragged], how="diagonal")
    return found.with_columns(pl.col(pl.String).exclude(REFUSED).fill_null(""))


def number(text: pl.Expr) -> pl.Expr:
    """Return text such as `-1.234,5` as numbers; NaN if it is malformed.

    A dot groups thousands only if a comma shows that the dot can't be the decimal sign: `1.234` is
    ambiguous, and so NaN.
    """
    stripped = text.str.strip_chars()
    known = stripped.str.contains(f"{_GROUPED}|{_PLAIN}")
    point = stripped.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(known).then(point).cast(pl.Float64, strict=False).fill_null(float("nan"))


def decoded(body: bytes) -> str:
    """Return the text of a body in UTF-8, or in the encoding of Windows in Western Europe.

    Raises:
        ParseError: It is in neither.
    """
    for encoding in _ENCODINGS:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ParseError("the text is in no known encoding")
