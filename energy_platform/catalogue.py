"""What there is: every market source as a reader meets it, without its machinery."""

from dataclasses import dataclass

from energy_platform.catalogue_search import search as search_text
from energy_platform.market_source import ColumnInfo
from energy_platform.registry import market_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One market source.

    Attributes:
        name: What to ask `scan` and `load` for.
        provider: Who publishes it.
        protocol: How it arrives.
        group: Its market group.
        description: What it is.
        key: The columns that tell one fact from another.
        columns: The table's columns with types and units.
        expected_lag_seconds: How old its newest data may be before it is late.
        terms: Terms of use, in short.
        needs: Environment variables without which the live feed cannot run.
    """

    name: str
    provider: str
    protocol: str
    group: str
    description: str
    key: tuple[str, ...]
    columns: tuple[ColumnInfo, ...]
    expected_lag_seconds: float
    terms: str
    needs: tuple[str, ...]


def catalogue(search: str = "") -> list[CatalogueEntry]:
    """Return every market source in alphabetical order; with `search` those found, best first."""
    entries = [
        CatalogueEntry(
            name=source.name,
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
        for source in market_sources().values()
    ]
    return search_text(entries, search)
