"""What a reader must know of a market source or a mart, without its feed, parser or checks.

The facts are declared in `energy_platform.sources` and beside the marts' SQL. `energy-platform
generate` copies them to `datasets.json`, so that a reader imports no source. A source whose file is
newer than that copy is found all the same, by importing the sources.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

import polars as pl
from pydantic import TypeAdapter

from energy_platform.errors import UnknownSourceError
from energy_platform.history.revisions import RUN
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.instants import INSTANT
from energy_platform.market.publication import DailyPublication, Knowable
from energy_platform.market.table import Table
from energy_platform.market.whole_list import WITHDRAWN

FILE: Final = Path(__file__).with_name("datasets.json")
"""The copy of what sources and marts declare."""

_DTYPES: Final[Mapping[str, pl.DataType]] = {
    str(dtype): dtype for dtype in (INSTANT, pl.String(), pl.Int64(), pl.Float64(), pl.Boolean())
}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One market source, or one mart, as its readers know it.

    Attributes:
        name: The name for `scan` and `load`.
        kind: A provider's table, or one built from others.
        provider: Who publishes it; for a mart, the providers of its sources.
        protocol: How it arrives.
        group: Its market group; `marts` for a mart.
        description: What it is.
        key: The columns that tell one fact from another.
        event_time: The column that says when the fact holds.
        columns: The table's columns with types and units, in order.
        expected_lag: How old its newest data may be before it is late.
        terms: Terms of use, in short.
        publication: When values are due, if not all day long.
        revision: The column in which the provider numbers revisions, if there is one.
        facts_move: Whether a revision may move a fact to another event time.
        has_withdrawals: Whether a row can say that it is no longer listed.
        is_large: Whether a read without a bound on the event time is a mistake.
        entitlement: The column of the key that says whose row it is, if not every user may see all
            rows.
        needs: Environment variables without which the live feed cannot run.
        upstream: The market sources that a mart is built from.
        knowable_from: From when on a row could be known by its provider; none for a mart.
        whole_run: How many values a complete run of a forecast has, if its source declares it.
    """

    name: str
    kind: Literal["source", "mart"]
    provider: str
    protocol: str
    group: str
    description: str
    key: tuple[str, ...]
    event_time: str
    columns: tuple[ColumnInfo, ...]
    expected_lag: timedelta
    terms: str
    publication: DailyPublication | None = None
    revision: str | None = None
    facts_move: bool = False
    has_withdrawals: bool = False
    is_large: bool = False
    entitlement: str | None = None
    needs: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    knowable_from: tuple[Knowable, ...] = ()
    whole_run: int | None = None

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        """The table's columns and their polars types, in order."""
        return {column.name: _DTYPES[column.type] for column in self.columns}

    @property
    def until(self) -> str | None:
        """The column with the end of a row's period; None in a table of instants."""
        end = self.event_time.removesuffix("_start") + "_end"
        return end if end in self.dtypes else None

    @property
    def has_runs(self) -> bool:
        """Whether it is a forecast, whose rows belong to runs."""
        return RUN in self.key

    @cached_property
    def table(self) -> Table:
        """The table in the warehouse."""
        withdrawals = {WITHDRAWN: pl.Boolean()} if self.has_withdrawals else {}
        return Table(
            name=self.name if self.kind == "source" else f"marts/{self.name}",
            dtypes={**self.dtypes, **withdrawals},
            event_time=self.event_time,
            key=self.key,
            description=self.description,
            descriptions={column.name: column.described for column in self.columns},
            is_large=self.is_large,
        )


_FILE_CONTENT: Final = TypeAdapter(dict[str, Dataset])


def datasets() -> Mapping[str, Dataset]:
    """Return every market source and mart by name, in alphabetical order."""
    if _are_all_written():
        return _written()
    from energy_platform.reading.declared import declared_datasets

    return declared_datasets()


def dataset(name: str) -> Dataset:
    """Return the market source or mart of this name.

    Raises:
        UnknownSourceError: There is none; the message names similar ones, or says what is wrong
            with the file that defines it.
    """
    if not isinstance(name, str):
        raise UnknownSourceError(f"a source's or mart's name is a text, not {name!r}")
    if name in _written():
        return _written()[name]
    if _are_all_written():
        raise unknown(name, _written())
    from energy_platform.reading.declared import declared_dataset

    return declared_dataset(name)


def unknown(name: str, known: Iterable[str]) -> UnknownSourceError:
    """Return the error that there is no source or mart of this name, with similar names."""
    near = get_close_matches(name, list(known), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "see `energy-platform catalog`"
    return UnknownSourceError(f"unknown source {name!r}; {hint}")


def file_content(declared: Mapping[str, Dataset]) -> str:
    """Return what the file of this package must hold."""
    content = _FILE_CONTENT.dump_json(dict(declared), indent=1, exclude_defaults=True)
    return content.decode() + "\n"


@cache
def _written() -> Mapping[str, Dataset]:
    return _FILE_CONTENT.validate_json(FILE.read_bytes())


def _are_all_written() -> bool:
    """Return whether the copy has a source of each file in the folder of sources."""
    folder = import_module("energy_platform.sources").__path__
    modules = (module.name for module in pkgutil.iter_modules(folder))
    return all(
        any(name == module or name.startswith(f"{module}_") for name in _written())
        for module in modules
        if not module.startswith("_")
    )
