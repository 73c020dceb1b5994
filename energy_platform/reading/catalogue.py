"""The catalogue: every market source and every mart, as readers see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.registry import market_sources, unbroken
from energy_platform.market.source import MarketSource
from energy_platform.marts.catalogue import Mart, marts
from energy_platform.reading.search import Texts, ranked

_MARTS: Final = "marts"


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
    sources = [_source_entry(source) for source in market_sources().values()]
    entries = [*sources, *(_mart_entry(mart) for mart in marts().values())]
    return found(sorted(entries, key=lambda entry: entry.name), search)


def found(entries: Sequence[CatalogueEntry], search: str) -> list[CatalogueEntry]:
    """Return the entries that contain every word of `search`, the best first."""
    return [entries[at] for at in ranked([_texts(entry) for entry in entries], search)]


def _texts(entry: CatalogueEntry) -> Texts:
    columns = (f"{one.name} {one.description or ''} {one.unit or ''}" for one in entry.columns)
    return Texts(
        name=entry.name,
        provider=entry.provider,
        market_group=entry.group,
        protocol=entry.protocol,
        description=entry.description,
        columns=" ".join(columns),
        terms=entry.terms,
    )


def _source_entry(source: MarketSource) -> CatalogueEntry:
    return CatalogueEntry(
        name=source.name,
        kind="source",
        provider=source.provider.name,
        protocol=source.feed.protocol,
        group=source.group,
        description=source.description,
        key=source.key,
        columns=source.columns,
        expected_lag_seconds=source.expected_lag.total_seconds(),
        terms=source.terms,
        needs=source.required_environment,
    )


def _mart_entry(mart: Mart) -> CatalogueEntry:
    upstream = unbroken(mart.upstream)
    return CatalogueEntry(
        name=mart.name,
        kind="mart",
        provider=", ".join(sorted({source.provider.name for source in upstream})),
        protocol="dbt",
        group=_MARTS,
        description=mart.description,
        key=mart.key,
        columns=mart.columns,
        expected_lag_seconds=max(
            (source.expected_lag.total_seconds() for source in upstream), default=0.0
        ),
        terms="Those of what it is made of",
        needs=(),
        upstream=tuple(mart.upstream),
    )
