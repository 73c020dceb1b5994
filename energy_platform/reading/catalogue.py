"""The catalogue: every market source and every mart, as readers see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from energy_platform.market.column_info import ColumnInfo
from energy_platform.reading.dataset import Dataset, datasets
from energy_platform.reading.search import hits


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One market source, or one mart.

    Attributes:
        name: The name for `scan` and `load`.
        kind: A provider's table, or one built from others.
        provider: Who publishes it; for a mart, the providers of its sources.
        protocol: How it arrives.
        group: Its market group; `marts` for a mart.
        description: What it is.
        key: The columns that tell one fact from another.
        columns: The table's columns with types and units.
        expected_lag_seconds: How old its newest data may be before it is late.
        terms: Terms of use, in short.
        needs: Environment variables without which the live feed cannot run.
        upstream: The market sources that a mart is built from.
    """

    name: str
    kind: Literal["source", "mart"]
    provider: str
    protocol: str
    group: str
    description: str
    key: tuple[str, ...]
    columns: tuple[ColumnInfo, ...]
    expected_lag_seconds: float
    terms: str
    needs: tuple[str, ...]
    upstream: tuple[str, ...] = ()


def catalogue(search: str = "") -> list[CatalogueEntry]:
    """Return all entries in alphabetical order; with `search`, matching ones, the best first."""
    return found([_entry(one) for one in datasets().values()], search)


def found(entries: Sequence[CatalogueEntry], search: str) -> list[CatalogueEntry]:
    """Return the entries that meet every word of `search`, the best first."""
    return [entries[hit.at] for hit in hits(entries, search)]


def _entry(dataset: Dataset) -> CatalogueEntry:
    return CatalogueEntry(
        name=dataset.name,
        kind=dataset.kind,
        provider=dataset.provider,
        protocol=dataset.protocol,
        group=dataset.group,
        description=dataset.description,
        key=dataset.key,
        columns=dataset.columns,
        expected_lag_seconds=dataset.expected_lag.total_seconds(),
        terms=dataset.terms,
        needs=dataset.needs,
        upstream=dataset.upstream,
    )
