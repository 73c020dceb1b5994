"""CSV as German publishers write it: semicolons between fields, commas before decimals.

Tables are read as text. Each format knows its columns and their types.
"""

from typing import Final

import polars as pl

from energy_platform.errors import ParseError
from energy_platform.market.rows import REFUSED

_ENCODINGS: Final = ("utf-8-sig", "cp1252")
_GROUPED: Final = r"^[+-]?\d{1,3}(\.\d{3})+,\d+$"
_PLAIN: Final = r"^[+-]?\d+(,\d+)?$"


def text_table(body: bytes) -> pl.DataFrame:
    """Return a table of text, its columns' names stripped.

    The column `refused` says why a line does not belong to the table; it is null for all others.

    Raises:
        ParseError: The body is no such table, or no line has as many fields as the first.
    """
    lines = pl.Series(_decoded(body).replace("\r\n", "\n").split("\n"), dtype=pl.String)
    filled = lines.filter(lines.str.strip_chars() != "")
    fields = filled.str.count_matches(";", literal=True) + 1
    is_line = fields == (fields.first() if len(fields) else 0)
    if len(filled) > 1 and is_line.sum() == 1:
        counts = fields.sort().to_list()
        raise ParseError(f"lines have {counts[0]} to {counts[-1]} fields")
    try:
        table = pl.read_csv(
            "\n".join(filled.filter(is_line)).encode(),
            separator=";",
            quote_char=None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise ParseError(f"not a table: {' '.join(str(error).split())}") from error
    reasons = [f"a line of {count} fields, not {fields[0]}" for count in fields.filter(~is_line)]
    ragged = pl.DataFrame({REFUSED: reasons}, schema={REFUSED: pl.String})
    found: pl.DataFrame = pl.concat([table.rename(str.strip), ragged], how="diagonal")
    return found.with_columns(pl.exclude(REFUSED).fill_null(""))


def number(text: pl.Expr) -> pl.Expr:
    """Return text such as `-1.234,5` as numbers; NaN if it is malformed.

    A dot groups thousands only if a comma shows that the dot can't be the decimal sign: `1.234` is
    ambiguous, and so NaN.
    """
    stripped = text.str.strip_chars()
    known = stripped.str.contains(f"{_GROUPED}|{_PLAIN}")
    point = stripped.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(known).then(point).cast(pl.Float64, strict=False).fill_null(float("nan"))


def _decoded(body: bytes) -> str:
    for encoding in _ENCODINGS:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ParseError("the text is in no known encoding")
