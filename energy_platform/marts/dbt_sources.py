"""Writes the part of the dbt project that follows from the market sources.

This is `sources.yml` with each source's columns, units and freshness; one staging view per source;
and the macro with the sources' keys. `energy-platform generate` writes the files, and `make check`
fails if they differ.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from energy_platform.formats.entsoe.codes import BORDERS
from energy_platform.history.latest_sql import latest_first, listed
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.market.timeliness import longest_silence
from energy_platform.marts.catalogue import TYPES
from energy_platform.pipeline.tables import market_table, table_columns

STAGING: Final = Path("models/staging")
"""A folder of the project that holds only generated files."""

_WRITTEN: Final = "Written by `energy-platform generate`; not to be edited."
_TYPE_NAMES: Final = {dtype: name for name, dtype in TYPES.items()}


def generated_files(sources: Iterable[MarketSource]) -> dict[Path, str]:
    """Return the content of the generated files, by their paths inside the project."""
    known = list(sources)
    return {
        STAGING / "sources.yml": _yaml({"sources": [_sources(known)]}),
        STAGING / "staging.yml": _yaml({"models": [_staging_model(source) for source in known]}),
        Path("macros/contracts.sql"): _contracts(known),
        Path("models/border.sql"): _borders(),
        **{STAGING / f"stg_{source.name}.sql": _staging_view(source) for source in known},
    }


def _sources(sources: Iterable[MarketSource]) -> dict[str, Any]:
    on_bigquery = "target.type == 'bigquery'"
    return {
        "name": "sources",
        "description": "Every revision of every row that the market sources have brought.",
        "schema": f"{{{{ target.schema if {on_bigquery} else 'sources' }}}}",
        "tables": [_source(source) for source in sources],
    }


def _source(source: MarketSource) -> dict[str, Any]:
    late, table = _minutes(longest_silence(source)), market_table(source)
    return {
        "name": source.name,
        "description": f"{source.description} {source.provider.name}; terms: {source.terms}.",
        "config": {
            "meta": {"key": [*source.key], "event_time": source.event_time},
            "loaded_at_field": "received_at",
            "freshness": {
                "warn_after": {"count": late, "period": "minute"},
                # BigQuery requires a bound on the partitions, and this one excludes none.
                "filter": f"{source.event_time} >= timestamp '1800-01-01 00:00:00+00:00'",
            },
        },
        "columns": [
            {**_column(column), "data_type": _TYPE_NAMES[table.dtypes[column.name]]}
            for column in table_columns(source)
        ],
    }


def _minutes(span: timedelta) -> int:
    return max(1, round(span / timedelta(minutes=1)))


def _staging_model(source: MarketSource) -> dict[str, Any]:
    return {
        "name": f"stg_{source.name}",
        "description": f"{source.description} The latest revision of each key.",
        "config": {"meta": {"key": [*source.key], "event_time": source.event_time}},
        "columns": [_column(column) for column in source.columns],
        "data_tests": [
            {
                "unique_key": {
                    "name": f"stg_{source.name}_has_one_row_per_key",
                    "arguments": {"key": [*source.key]},
                    "config": {"tags": ["staging"]},
                }
            }
        ],
    }


def _column(column: ColumnInfo) -> dict[str, Any]:
    return {
        "name": column.name,
        "description": column.described,
        **({"config": {"meta": {"unit": column.unit}}} if column.unit else {}),
    }


def _staging_view(source: MarketSource) -> str:
    columns = ",\n    ".join(
        [name for name in source.dtypes if name not in PROVENANCE_COLUMNS] + [*PROVENANCE_COLUMNS]
    )
    return (
        f"{{# {_WRITTEN} #}}\n\nselect\n    {columns}\n"
        f"from {{{{ latest_revision('{source.name}') }}}} as latest\n"
    )


def _contracts(sources: Iterable[MarketSource]) -> str:
    return "\n".join(
        [
            f"{{# What tells rows of each source apart and orders them. {_WRITTEN} #}}",
            "{% macro contract(source_name) %}",
            "    {%- set contracts = {",
            *(f"        {line}," for line in _contract_lines(sources)),
            "    } -%}",
            "    {{- return(contracts[source_name]) -}}",
            "{% endmacro %}\n",
        ]
    )


def _contract_lines(sources: Iterable[MarketSource]) -> Iterator[str]:
    for source in sources:
        yield f"'{source.name}': {contract(source)!r}"


def contract(source: MarketSource) -> Mapping[str, object]:
    """Return what the macros must know of a source to find the latest row of each key."""
    return {
        "key": [*source.key],
        "event_time": source.event_time,
        "latest_first": latest_first(source, "{place}"),
        "listed": listed(has_withdrawals=source.whole_list is not None),
        "floats": [name for name in source.key if source.dtypes[name].is_float()],
    }


def _borders() -> str:
    pairs = [
        f"select '{one}' as from_zone, '{other}' as to_zone"
        for pair in BORDERS
        for one, other in (pair, pair[::-1])
    ]
    config = "{{ config(materialized='ephemeral') }}"
    return f"{{# {_WRITTEN} #}}\n{config}\n\n" + "\nunion all ".join(pairs) + "\n"


def _yaml(content: Mapping[str, Any]) -> str:
    text = yaml.dump(
        {"version": 2, **content},
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return f"# {_WRITTEN}\n{text}"
