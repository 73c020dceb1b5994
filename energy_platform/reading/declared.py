"""What the market sources and the marts declare, as their readers know it.

This imports every source with its feed and its parser; `energy_platform.reading.dataset` has the
copy that readers use.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from energy_platform.errors import UnknownSourceError
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.registry import (
    broken_sources,
    market_source,
    market_sources,
    unbroken,
)
from energy_platform.market.source import MarketSource
from energy_platform.marts.catalogue import Mart, marts
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.dataset import Dataset, unknown


def declared_datasets(sources: Iterable[MarketSource] | None = None) -> Mapping[str, Dataset]:
    """Return the dataset of each source and mart by name, in alphabetical order.

    Args:
        sources: The market sources; all that there are, unless given.
    """
    given = market_sources().values() if sources is None else sources
    found = [*map(source_dataset, given), *map(_of_mart, marts().values())]
    return {one.name: one for one in sorted(found, key=lambda one: one.name)}


def declared_dataset(name: str) -> Dataset:
    """Return the dataset of this name.

    Raises:
        UnknownSourceError: There is none, or its file is broken.
    """
    for broken in broken_sources():
        if broken.name == name:
            raise UnknownSourceError(f"source {name} is broken: {broken}")
    declared = declared_datasets()
    if name not in declared:
        raise unknown(name, declared)
    return declared[name]


def source_dataset(source: MarketSource) -> Dataset:
    """Return what a reader must know of a market source."""
    table = market_table(source)
    return Dataset(
        name=source.name,
        kind="source",
        provider=source.provider.name,
        protocol=source.feed.protocol,
        group=source.group,
        description=source.description,
        key=source.key,
        event_time=source.event_time,
        columns=source.columns,
        expected_lag=source.expected_lag,
        terms=source.terms,
        publication=source.publication,
        revision=source.revision,
        facts_move=source.facts_move,
        knowable_from=source.knowable_from,
        whole_run=source.whole_run,
        has_withdrawals=table.has_withdrawals,
        is_large=table.is_large,
        entitlement=source.entitlement,
        needs=source.required_environment,
    )


def _of_mart(mart: Mart) -> Dataset:
    upstream = unbroken(mart.upstream)
    return Dataset(
        name=mart.name,
        kind="mart",
        provider=", ".join(sorted({source.provider.name for source in upstream})),
        protocol="dbt",
        group="marts",
        description=mart.description,
        key=mart.key,
        event_time=mart.event_time,
        columns=tuple(_with_values(one, mart.vocabularies.get(one.name)) for one in mart.columns),
        expected_lag=max((one.expected_lag for one in upstream), default=timedelta()),
        terms="Those of what it is made of",
        upstream=tuple(mart.upstream),
    )


def _with_values(column: ColumnInfo, vocabulary: str | Sequence[str] | None) -> ColumnInfo:
    """Return a mart's column with its values: its own, or those of a source's column."""
    if vocabulary is None:
        return column
    if not isinstance(vocabulary, str):
        return replace(column, values=tuple(vocabulary))
    source, _, name = vocabulary.partition(".")
    if source not in market_sources():  # its file is broken
        return column
    [same] = [one for one in market_source(source).columns if one.name == name]
    return replace(column, values=same.values, codes=same.codes)
