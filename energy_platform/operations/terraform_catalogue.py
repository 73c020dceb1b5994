"""What Terraform must know of the catalogue: tables, sources with a topic each, providers' keys.

The tables are defined where BigQuery's client creates them, so both make the same ones. How a
project is made ready is in `deploy/terraform`, not here.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.cloud import bigquery

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.bigquery.schema import definition

_ANYWHERE: Final = bigquery.DatasetReference("project", "dataset")
"""Terraform is told which project and dataset; a definition doesn't depend on it."""


def file_content(sources: Iterable[MarketSource]) -> str:
    """Return the JSON file that the Terraform module reads."""
    known = sorted(sources, key=lambda source: source.name)
    tables = [make(source) for source in known for make in (market_table, quarantine_table)]
    catalogue = {
        "sources": [source.name for source in known],
        "keys": sorted({name for source in known for name in source.required_environment}),
        "tables": {
            wanted.table_id: _described(wanted.to_api_repr())
            for wanted in (definition(_ANYWHERE, table) for table in tables)
        },
    }
    return json.dumps(catalogue, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _described(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a table of the REST API without what differs from project to project."""
    return {name: value for name, value in table.items() if name != "tableReference"}
