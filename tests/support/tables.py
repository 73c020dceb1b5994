"""Rows put into a warehouse as batches of the platform leave them, for tests that only read."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from energy_platform.market.registry import market_source
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table


def store(name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows of a source's table to the warehouse of this home; columns left out are null.

    Args:
        name: The source.
        rows: The rows, which say when they were received. Each is a message of its own, unless
            all say their `landing_offset`, counted from the table's. Without any, the table is
            stored by a message that has none.
    """
    table, warehouse = market_table(market_source(name)), micro_batches().warehouse
    start = warehouse.committed_offset(table)
    whole = [
        {**row, "landing_offset": start + row.get("landing_offset", n)}
        for n, row in enumerate(rows)
    ]
    told = {name: table.dtypes[name] for name in (whole[0] if whole else table.dtypes)}
    frame = pl.DataFrame(whole, schema=told).with_columns(
        pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in table.dtypes.items()
        if column not in told
    )
    frame = frame.select(*table.dtypes).cast(pl.Schema(table.dtypes))
    warehouse.commit(
        table, frame, start=start, stop=(whole[-1]["landing_offset"] if whole else start) + 1
    )
