"""A home with rows of every market source, for examples that must return some.

The rows are those of the test cases, each case one message. They are known when such rows are: a
forecast four hours after its run, an auction's prices eleven hours before their first delivery, and
all others a quarter of an hour after the last. The marts are stored without rows. One batch is in
the history, as of now.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, cast

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import ForecastRows
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.marts.catalogue import marts
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import StatePlace
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from tests.support.testcases import expected_rows

ONE_BATCH: Final = BatchReport(
    source="smard_price",
    start=0,
    stop=1,
    rows_parsed=96,
    rows_new=96,
    quarantined=pl.DataFrame(schema={"landing_offset": pl.Int64, "check": pl.String}),
    unparsed=0,
    last_received_at=None,
    seconds=0.1,
)

CASES: Final = Path(__file__).parents[1] / "testcases"


def fill(home: Path) -> None:
    """Store the rows of every source, as micro-batches do, and empty marts."""
    warehouse = DeltaWarehouse(home / "warehouse")
    for source in market_sources().values():
        for offset, rows in enumerate(_cases(source)):
            stamped = rows.with_columns(
                received_at=pl.lit(_received_at(source, rows), dtype=INSTANT),
                landing_offset=pl.lit(offset, dtype=pl.Int64),
            )
            table = market_table(source)
            marked = {} if not table.has_withdrawals else {"withdrawn": pl.lit(value=False)}
            stored = stamped.with_columns(**marked).select(*table.dtypes)
            warehouse.commit(table, stored, start=offset, stop=offset + 1)
    for mart in marts().values():
        empty = pl.DataFrame(schema=mart.dtypes)
        empty.write_delta(home / "warehouse" / mart.table.name)
    BatchHistory(StatePlace(home)).add(ONE_BATCH)


def _cases(source: MarketSource) -> list[pl.DataFrame]:
    """Return the rows of each case that has some and in which nothing is wrong."""
    folders = sorted(CASES.joinpath(source.name).iterdir())
    good = [one for one in folders if one.is_dir() and not (one / "quarantined.csv").exists()]
    found = [expected_rows(one, source) for one in good if (one / "expected.csv").exists()]
    return [rows for rows in found if not rows.is_empty()]


def _received_at(source: MarketSource, rows: pl.DataFrame) -> datetime:
    if issubclass(source.rows, ForecastRows):
        return cast("datetime", rows["run_at"].max()) + timedelta(hours=4)
    times = rows[source.event_time]
    if source.group is MarketGroup.AUCTIONS:
        return cast("datetime", times.min()) - timedelta(hours=11)
    return cast("datetime", times.max()) + timedelta(minutes=15)
