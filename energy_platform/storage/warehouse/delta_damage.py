"""Finds the data files of a Delta table that can't be read any more.

A file has no checksum: a flipped byte is found if its pages can't be decoded, or if it changes the
number of rows. A replay makes the rows of such a file again from the landing zone.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
from polars.exceptions import PanicException

from energy_platform.storage.warehouse.protocol import Damage

_FIRST_OFFSET: Final = "min.landing_offset"


def of_files(folder: Path, files: pl.DataFrame, *, wholly: bool) -> list[Damage]:
    """Return which files of a table's newest version can't be read.

    Args:
        folder: The table's folder.
        files: One row per file, as `delta_files.files` returns it.
        wholly: Whether to read each file; otherwise its name and size must do.
    """
    return list(_damaged(folder, files, wholly=wholly))


def _damaged(folder: Path, files: pl.DataFrame, *, wholly: bool) -> Iterator[Damage]:
    for one in files.iter_rows(named=True):
        place = folder / unquote(one["path"])
        why = _why_not_there(place, one) or (wholly and _why_unreadable(place, one))
        if why:
            yield Damage(place, why, one.get(_FIRST_OFFSET) or 0)


def _why_not_there(file: Path, said: dict[str, Any]) -> str:
    """Return how a file differs from what the log says of it; an empty text if it does not."""
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return "it is missing"
    return "" if size == said["size_bytes"] else f"it has {size} bytes, not {said['size_bytes']}"


def _why_unreadable(file: Path, said: dict[str, Any]) -> str:
    """Return why a file can't be read; an empty text if it can."""
    try:
        rows = pl.read_parquet(io.BytesIO(file.read_bytes())).height
    except (Exception, PanicException) as error:  # noqa: BLE001 (a flipped byte may raise anything)
        return str(error).partition("\n")[0]
    return "" if rows == said["num_records"] else f"it has {rows} rows, not {said['num_records']}"
