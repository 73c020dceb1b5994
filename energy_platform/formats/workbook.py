"""Excel workbooks (XLSX) from outside, read within bounds, every cell as text.

Numbers have a decimal point there, dates are ISO 8601, and a formula is what it was last worked out
to be. What a column means is the business of the format that reads it.
"""

import re
from typing import Final

import fastexcel
import polars as pl

from energy_platform.errors import ParseError
from energy_platform.formats.zip_archive import members_like

_MOST_BYTES: Final = 128 * 1024 * 1024
_FAR_CELL: Final = re.compile(
    rb"""\br\s*=\s*["'](?:[A-Z]{3}|[B-Z][A-Z]\d|[A-Z]*(?:\d{7}|[3-9]\d{5}))"""
)
"""A cell beyond column AZ or row 300,000: the reader makes room for all that lies before it."""


def sheets(body: bytes) -> list[pl.DataFrame]:
    """Return the sheets of a workbook, their columns named by their first rows.

    Raises:
        ParseError: The body is no workbook, or is too large.
    """
    for name, sheet in members_like(body, "xl/worksheets/*.xml", max_bytes=_MOST_BYTES).items():
        if _FAR_CELL.search(sheet):
            raise ParseError(f"{name} reaches too far to the right or down")
    try:
        workbook = fastexcel.read_excel(body)
        return [
            workbook.load_sheet(name, dtypes="string").to_polars() for name in workbook.sheet_names
        ]
    except fastexcel.FastExcelError as error:
        raise ParseError(f"not a workbook: {' '.join(str(error).split())}") from error
