"""Delta tables in a bucket, or below a folder that is no home: read, and never written.

A table is at the root's address and its name. Who may read the bucket is said by the environment,
as the bucket's own tools have it: `AWS_*`, `GOOGLE_*` or `AZURE_*`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from energy_platform.errors import WarehouseUnavailableError
from energy_platform.history.question import Question
from energy_platform.history.revisions import answer
from energy_platform.history.runs import summaries
from energy_platform.market.table import Table
from energy_platform.storage.background import in_background
from energy_platform.storage.warehouse.delta import position_of
from energy_platform.storage.warehouse.delta_files import size, state, summary
from energy_platform.storage.warehouse.protocol import Position, ReadSize, TableSummary

_PATIENCE: Final = {"timeout": "30s"}
"""How long one request to a bucket may take; it is repeated for three minutes at most."""
_HEARD_SECONDS: Final = 0.1
"""How soon Ctrl-C is heard: polars has a wait go on that a signal would end."""


@dataclass(frozen=True, slots=True)
class DeltaRoot:
    """Delta tables below one address, for reading.

    Attributes:
        address: The address, such as `s3://bucket/prefix`.
    """

    address: str

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored."""
        return self._opened(table) is not None

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; files whose statistics rule them out aren't opened."""
        stored = self._opened(table)
        if stored is None:
            return pl.LazyFrame(schema=table.dtypes)
        return table.of_stored(pl.scan_delta(stored))

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily."""
        return answer(self.scan(question.table), question)

    def run_summaries(self, question: Question) -> pl.LazyFrame:
        """Return one row per run of a forecast, lazily."""
        return summaries(self.scan(question.table), question)

    def position(self, table: Table) -> Position:
        """Return a table's position; the very first one if there is no table."""
        stored = self._opened(table)
        return Position() if stored is None else position_of(stored, table)

    def summary(self, table: Table) -> TableSummary:
        """Return the row count and newest times from the log; times are cut to milliseconds."""
        return summary(self._opened(table), table, committed_offset=0)

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return how many rows and bytes the files have that can hold an answer's rows."""
        del columns  # files say nothing of the size of a column
        return size(self._opened(question.table), question)

    def state(self, table: Table) -> str | None:
        """Return what tells a table's newest version from all others; None if there is no table."""
        return state(self._opened(table))

    def _opened(self, table: Table) -> DeltaTable | None:
        """Open a table at its newest version; return None if there is none.

        Raises:
            WarehouseUnavailableError: The bucket does not answer, or refuses to.
        """
        address = f"{self.address.rstrip('/')}/{table.name}"
        try:
            return _awaited(partial(DeltaTable, address, storage_options=_PATIENCE))
        except TableNotFoundError:
            return None
        except OSError as error:
            said = " ".join(str(error).split())
            raise WarehouseUnavailableError(f"{address} can't be read: {said}") from error


def _awaited(ask: Callable[[], DeltaTable]) -> DeltaTable:
    """Return what a bucket answers, and let Ctrl-C end the wait.

    delta-rs hears no signal until it gives up, which takes minutes; its thread ends with the
    process.
    """
    answer = in_background(ask)
    while not answer.done():
        wait([answer], timeout=_HEARD_SECONDS)
    return answer.result()
