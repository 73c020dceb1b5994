"""The catalogue: every market source and every mart, as listings show them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from energy_platform.reading.dataset import Dataset, datasets
from energy_platform.reading.search import hits


def catalogue(search: str = "") -> list[Dataset]:
    """Return all entries in alphabetical order; with `search`, matching ones, the best first."""
    return found(list(datasets().values()), search)


def found(entries: Sequence[Dataset], search: str) -> list[Dataset]:
    """Return the entries that meet every word of `search`, the best first."""
    return [entries[hit.at] for hit in hits(entries, search)]


def listed(entry: Dataset) -> dict[str, Any]:
    """Return what a listing says of an entry, as plain values; columns with types and units."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "provider": entry.provider,
        "protocol": entry.protocol,
        "group": entry.group,
        "description": entry.description,
        "key": entry.key,
        "columns": [asdict(column) for column in entry.columns],
        "expected_lag_seconds": entry.expected_lag.total_seconds(),
        "terms": entry.terms,
        "needs": entry.needs,
        "upstream": entry.upstream,
    }
