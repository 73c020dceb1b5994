"""Excel workbooks (XLSX), read within bounds, every cell as text.

Numbers have a decimal point, dates are ISO 8601, and a formula gives the value that the file stores
for it. The format that reads a workbook knows what its columns mean.
"""

import re
from typing import Final

import fastexcel
import polars as pl

from energy_platform.encodings.zip_archive import members_like
from energy_platform.errors import ParseError

_MOST_BYTES: Final = 128 * 1024 * 1024
_FAR_CELL: Final = re.compile(
    rb"""[rR](?<![:\w][rR])\s*=(?!\s*["'](?:[aA]?[a-zA-Z])?[12]?\d{1,5}["'])"""
)
"""A cell or row beyond column AZ or row 299,999, or with no valid place.

A pattern that begins with its letter is searched for twice as fast.

The reader allocates all cells before the last one and trusts their places, so an absurd place would
cost terabytes and end the process.
"""


def sheets(body: bytes) -> list[pl.DataFrame]:
    """Return the sheets of a workbook, their columns named by their first rows.

    Raises:
        ParseError: The body is no workbook, or is too large.
    """
    for name, part in members_like(body, "*", max_bytes=_MOST_BYTES).items():
        if _FAR_CELL.search(part):
            raise ParseError(f"{name} reaches too far to the right or down")
    try:
        workbook = fastexcel.read_excel(body)
        return [
            workbook.load_sheet(name, dtypes="string").to_polars() for name in workbook.sheet_names
        ]
    except fastexcel.FastExcelError as error:
        raise ParseError(f"not a workbook: {' '.join(str(error).split())}") from error
