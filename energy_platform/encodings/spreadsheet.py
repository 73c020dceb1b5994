r"""CSV as spreadsheets open it: no text in it runs as a formula.

All CSV that leaves the platform is written here, since market text may hold anything. The pages
write the CSV of what they show by the same rule (`dashboard/web/src/panel/export.ts`); both are
held against the same cases, `dashboard/web/tests/spreadsheet_texts.json`.
"""

from typing import Final

import polars as pl
from polars import selectors as cs

_SIGN: Final = r"[=+\-@＝＋－＠]"  # noqa: RUF001 (spreadsheets take these for = + - @ too)
_FORMULA: Final = rf"^(\s*{_SIGN}|[\t\r\n])"
_LATER_FORMULA: Final = rf"([;\t\r\n]\s*)({_SIGN})"
"""A formula in a field that a spreadsheet makes of the rest of one.

Where Windows writes a decimal comma, spreadsheets split lines at semicolons, inside quotes too.
"""
_FIGURE: Final = r"^[+-]?\d+(\.\d+)?$"
_LIST_SEPARATOR: Final = "|"


def spreadsheet_csv(rows: pl.DataFrame, *, instants: str = "%Y-%m-%dT%H:%M:%S%.fZ") -> str:
    """Return rows as CSV; an apostrophe stands before what a spreadsheet would run as a formula.

    Numbers, and texts that are numbers, stay as they are. Texts of a list have `|` between them.

    Args:
        rows: The rows; the names of their columns are the platform's own.
        instants: How instants are written, in chrono's notation; they are UTC.

    >>> print(spreadsheet_csv(pl.DataFrame({"name": ["=1+1", "-5"], "power_mw": [-1.5, None]})))
    name,power_mw
    '=1+1,-1.5
    -5,
    <BLANKLINE>
    """
    lists = cs.by_dtype(pl.List(pl.String)).list.join(_LIST_SEPARATOR)
    texts = cs.string()
    later = texts.str.replace_all(_LATER_FORMULA, "${1}'${2}")
    disarmed = later.str.replace(_FORMULA, "'${1}")
    figures_stay = pl.when(texts.str.contains(_FIGURE)).then(texts).otherwise(disarmed)
    return rows.with_columns(lists).with_columns(figures_stay).write_csv(datetime_format=instants)
