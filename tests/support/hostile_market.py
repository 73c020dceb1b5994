"""A market that says hostile things wherever it may say a text, at times around now.

The rows are those of the sources' own test cases, moved in time. One text column after the other is
hostile, then all at once. What a check refuses goes to quarantine, whose reasons quote it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.checks import check_messages
from tests.support.testcases import case_messages

_CASES: Final = Path(__file__).parents[1] / "testcases"
TURNED: Final = "\N{RIGHT-TO-LEFT OVERRIDE}"
_TAKE: Final = "document.title='taken'"
TEXTS: Final = (
    f"<script>{_TAKE}</script>",
    f'<img src=x onerror="{_TAKE}">',
    f'"><svg onload="{_TAKE}">',
    f"{TURNED}eulav a \N{RIGHT-TO-LEFT MARK}",
    "very long " + "x" * 600,
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
)
_OF_ONE_CONTRACT: Final = {"contract_id": "NX_1", "delivery_area_id": "23"}
_SAID: Final = {
    "nord_pool_intraday_contract": {
        **_OF_ONE_CONTRACT, "product_type": "P15MIN", "state": "ACTI", "deleted": False
    },
    "nord_pool_intraday_order_book": {**_OF_ONE_CONTRACT, "deleted": False},
    "nord_pool_intraday_trade": {**_OF_ONE_CONTRACT, "deleted": False},
}  # fmt: skip
"""What rows must say so that the continuous market's panels show them."""
_STEP: Final = timedelta(minutes=15)
_FIRST: Final = timedelta(hours=-6)
"""From when on, seen from now, the rows hold."""


def hostile_rows(now: datetime) -> Iterator[tuple[MarketSource, pl.DataFrame]]:
    """Yield each source with its rows."""
    for name, source in sorted(market_sources().items()):
        template = _template(source)
        free = [
            column
            for column, dtype in source.dtypes.items()
            if dtype == pl.String and column not in PROVENANCE_COLUMNS
        ]
        said = [
            {column: text if column in turned else None for column in free}
            for turned in ([], *([one] for one in free), free)
            for text in (TEXTS if turned else TEXTS[:4])
        ]
        assert name == source.name
        yield (
            source,
            _at_times_around(
                now, source, template, pl.DataFrame(said, dict.fromkeys(free, pl.String))
            ),
        )


def _template(source: MarketSource) -> pl.DataFrame:
    """Return the row of the source's ordinary test cases that says the most."""
    rows = [
        check_messages(source, case_messages(source, case)).rows
        for case in sorted((_CASES / source.name).iterdir())
        if case.is_dir() and not (case / "quarantined.csv").exists()
    ]
    said = pl.concat([one for one in rows if one.height]).drop(PROVENANCE_COLUMNS)
    said = said.with_columns(
        pl.lit(value, said.schema[name]).alias(name)
        for name, value in _SAID.get(source.name, {}).items()
    )
    return said.sort(pl.sum_horizontal(pl.all().is_not_null()), descending=True).head(1)


def _at_times_around(
    now: datetime, source: MarketSource, template: pl.DataFrame, said: pl.DataFrame
) -> pl.DataFrame:
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    [at] = template[source.event_time]
    moved = pl.lit(quarter - at + _FIRST) + pl.int_range(pl.len()) * pl.lit(_STEP)
    rows = pl.concat([template] * said.height)
    return rows.with_columns(
        *(pl.col(name) + moved for name in rows.columns if rows.schema[name].is_temporal()),
        *(pl.coalesce(said[name], pl.col(name)).alias(name) for name in said.columns),
    )
