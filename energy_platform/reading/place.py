"""Where a platform's data are, and how they are opened for reading.

A place is a home folder, the folder or bucket of its Delta tables, or a dataset of BigQuery.
Opening it creates nothing.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import polars as pl

from energy_platform.errors import (
    MissingExtraError,
    NeverStoredError,
    NoPlatformError,
    UsageError,
)
from energy_platform.history.question import Question
from energy_platform.market.table import Table
from energy_platform.reading.dataset import datasets
from energy_platform.settings import (
    Settings,
    StatePlace,
    WarehouseKind,
    current_settings,
    variable,
)
from energy_platform.storage.warehouse.protocol import (
    Position,
    ReadableWarehouse,
    ReadSize,
    TableSummary,
)

Missing = Literal["raise", "empty"]
"""What a table that was never stored is: an error, or a frame without rows."""

_HOME_MARKS: Final = ("warehouse", "landing", "run", "landing_is_simulated")
"""What tells a platform's home from any other folder."""
_BUCKETS: Final = ("s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://")
_BIGQUERY: Final = "bigquery://"
_ASKED_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a platform's data are; a value, which says nothing of whether they are there.

    Attributes:
        where: A folder, an address, or None for what the environment names whenever it is asked.
    """

    where: str | None = None

    @classmethod
    def of(cls, where: str | Path | None) -> "Place":
        """Return the place of an argument: a folder in full, so that it stays the same one.

        Raises:
            UsageError: It is an address that no platform can be at.
        """
        if where is None:
            return cls()
        text = str(where)
        if text.startswith(_BUCKETS):
            return cls(text.rstrip("/"))
        if text.startswith(_BIGQUERY):
            _dataset_at(text)
            return cls(text)
        if "://" in text and not text.startswith("file://"):
            raise UsageError(
                f"{text!r} is no place of a platform: it is a folder, s3://bucket/folder,"
                " gs://bucket/folder, az://container/folder or bigquery://project/dataset"
            )
        try:
            folder = Path(text.removeprefix("file://")).expanduser()
        except RuntimeError as error:  # nobody has this name
            raise UsageError(f"{text} is no folder: {error}") from None
        return cls(str(folder.absolute()))

    @property
    def settings(self) -> Settings:
        """The environment's settings, with this home if the place is one."""
        said = current_settings()
        if self.where is None or "://" in self.where:
            return said
        return said.model_copy(update={"home": Path(self.where)})

    @property
    def home(self) -> Path:
        """The home folder.

        Raises:
            UsageError: The place is none, so it holds tables and nothing else.
        """
        if self.where is not None and "://" in self.where:
            raise UsageError(f"{self.where} holds tables alone; this needs a platform's home")
        return self.settings.home.absolute()

    @property
    def state(self) -> StatePlace:
        """Where the state of the home's platform is.

        Raises:
            UsageError: The place is no home.
        """
        return StatePlace(self.home, self.settings.state_url)

    @property
    def told(self) -> str:
        """The place in full, and what it was taken from."""
        if self.where is not None:
            return f"{self.where} (as `where` says)"
        said = current_settings()
        origin = f"as {variable('home')} says" if "home" in said.model_fields_set else "the default"
        return f"{said.home.absolute()} ({origin})"

    def warehouse(self, *, missing: Missing = "raise") -> "StoredTables":
        """Open the tables for reading, and create nothing.

        Args:
            missing: What a table that was never stored is: an error, or empty.

        Raises:
            NoPlatformError: There is no platform; the message names the place and its origin.
            MissingExtraError: The `bigquery` extra is not installed.
        """
        if missing not in ("raise", "empty"):
            raise UsageError(f'missing is "raise" or "empty", not {missing!r}')
        return StoredTables(self, self._stored(), missing)

    def _stored(self) -> ReadableWarehouse:
        settings = current_settings()
        if self.where is None and settings.warehouse is WarehouseKind.BIGQUERY:
            return _bigquery(settings, settings.bigquery_project or "", settings.bigquery_dataset)
        if self.where is not None and self.where.startswith(_BIGQUERY):
            return _bigquery(settings, *_dataset_at(self.where))
        if self.where is not None and "://" in self.where:
            from energy_platform.storage.warehouse.delta_root import DeltaRoot

            return DeltaRoot(self.where)
        from energy_platform.storage.warehouse.delta import DeltaWarehouse

        return DeltaWarehouse(self._folder_of_tables())

    def _folder_of_tables(self) -> Path:
        """Return the folder that has the tables: a home's own, or the place itself."""
        folder = self.home
        if any((folder / mark).exists() for mark in _HOME_MARKS):
            return folder / "warehouse"
        if any((folder / name / "_delta_log").is_dir() for name in _table_names()):
            return folder
        raise NoPlatformError(f"there is no platform in {self.told}")


@dataclass(frozen=True, slots=True)
class StoredTables:
    """A place's tables, opened for reading; one that was never stored is no empty one.

    Attributes:
        place: Where they are.
        stored: The store that has them.
        missing: What a table that was never stored is.
    """

    place: Place
    stored: ReadableWarehouse
    missing: Missing

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily.

        Raises:
            NeverStoredError: The table was never stored.
        """
        self._require(table)
        return self.stored.scan(table)

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that a question asks for, lazily.

        Raises:
            NeverStoredError: The table was never stored.
        """
        self._require(question.table)
        return self.stored.answer(question)

    def run_summaries(self, question: Question) -> pl.LazyFrame:
        """Return one row per run of a forecast, lazily.

        Raises:
            NeverStoredError: The table was never stored.
        """
        self._require(question.table)
        return self.stored.run_summaries(question)

    def position(self, table: Table) -> Position:
        """Return a table's position.

        Raises:
            NeverStoredError: The table was never stored.
        """
        self._require(table)
        return self.stored.position(table)

    def summary(self, table: Table) -> TableSummary:
        """Return the table's row count and newest times; none of a table that was never stored."""
        return self.stored.summary(table)

    def size(self, question: Question, columns: Sequence[str]) -> ReadSize:
        """Return how large the answer to a question is at most, if these columns are wanted.

        Raises:
            NeverStoredError: The table was never stored.
        """
        self._require(question.table)
        return self.stored.size(question, columns)

    def state(self, table: Table) -> str | None:
        """Return what tells a table's rows, as they are now, from all others; None if nothing."""
        return self.stored.state(table)

    def has(self, table: Table) -> bool:
        """Return whether a table was ever stored."""
        return self.stored.has(table)

    def _require(self, table: Table) -> None:
        if self.missing == "empty" or self.stored.has(table):
            return
        if not any(self._found()):
            raise NoPlatformError(f"there is no platform's table in {self.place.told}")
        raise NeverStoredError(
            f"{table.name} was never stored in {self.place.told};"
            ' missing="empty" reads it as a table without rows'
        )

    def _found(self) -> Iterator[bool]:
        """Yield of each table that a platform may have whether it was stored."""
        if self.place.where is None or "://" not in self.place.where:
            yield True  # a folder was looked at when it was opened
            return
        tables = [one.table for one in datasets().values()]
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as askers:
            yield from askers.map(self.stored.has, tables)


def _table_names() -> list[str]:
    return [one.table.name for one in datasets().values()]


def _dataset_at(address: str) -> tuple[str, str]:
    """Return the project and the dataset of an address.

    Raises:
        UsageError: It has not both.
    """
    project, _, dataset = address.removeprefix(_BIGQUERY).strip("/").partition("/")
    if not project or not dataset or "/" in dataset:
        raise UsageError(f"{address!r} is not bigquery://project/dataset")
    return project, dataset


def _bigquery(settings: Settings, project: str, dataset: str) -> ReadableWarehouse:
    return _opened_dataset(
        (project, dataset),
        settings.bigquery_location,
        (settings.bigquery_emulator, settings.bigquery_emulator_grpc),
        (settings.bigquery_warn_bytes, settings.bigquery_max_bytes),
    )


@cache
def _opened_dataset(
    address: tuple[str, str],
    location: str,
    emulators: tuple[str | None, str | None],
    budget: tuple[int, int],
) -> ReadableWarehouse:
    """Return the tables of a project's dataset; each process connects to it once."""
    try:
        from energy_platform.storage.warehouse.bigquery.client import Clients
        from energy_platform.storage.warehouse.bigquery.queries import ReadBudget
        from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error) from error
    (project, dataset), (emulator, emulator_grpc) = address, emulators
    clients = Clients.open(
        project=project,
        dataset=dataset,
        location=location,
        emulator=emulator,
        emulator_grpc=emulator_grpc,
    )
    warn_bytes, max_bytes = budget
    return BigQueryWarehouse(clients, ReadBudget(warn_bytes=warn_bytes, max_bytes=max_bytes))
