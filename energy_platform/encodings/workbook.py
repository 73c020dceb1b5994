"""Excel workbooks (XLSX), read within bounds, every cell as text.

Numbers have a decimal point, dates are ISO 8601, and a formula gives the value that the file stores
for it. The format that reads a workbook knows what its columns mean.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import fastexcel
import polars as pl

from energy_platform.encodings.zip_archive import members_like
from energy_platform.errors import ParseError

_MOST_BYTES: Final = 128 * 1024 * 1024
_ZIP: Final = b"PK"
_WORKBOOK: Final = "xl/workbook.xml"
_OF_OTHERS: Final = frozenset({"content.xml", "xl/workbook.bin"})
"""The parts by which the reader knows ODS and XLSB."""
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
    with opened(body) as workbook:
        return [
            workbook.load_sheet(name, dtypes="string").to_polars() for name in workbook.sheet_names
        ]


@contextmanager
def opened(body: bytes) -> Iterator[fastexcel.ExcelReader]:
    """Open a workbook whose parts have been looked at, to be read within the context.

    Raises:
        ParseError: The body is no workbook, or is too large; also while it is read.
    """
    if not body.startswith(_ZIP):
        raise ParseError("not a workbook: no ZIP archive")
    parts = members_like(body, "*", max_bytes=_MOST_BYTES)
    # The reader would take it for another format of workbooks, which nothing here has looked at.
    if _WORKBOOK not in parts or not _OF_OTHERS.isdisjoint(parts):
        raise ParseError("not a workbook in the format XLSX")
    for name, part in parts.items():
        if _FAR_CELL.search(part):
            raise ParseError(f"{name} reaches too far to the right or down")
    try:
        yield fastexcel.read_excel(body)
    except fastexcel.FastExcelError as error:
        raise ParseError(f"not a workbook: {' '.join(str(error).split())}") from error
