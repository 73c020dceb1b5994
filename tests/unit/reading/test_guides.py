"""Every example of the guides to time and to revisions, and of the readme, returns rows."""

import ast
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.market.calendar import calendar
from tests.support.tables import store

ROOT = Path(__file__).parents[3]
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
BERLIN = calendar("Europe/Berlin")
DAYS = ["2026-03-01", "2026-03-02", "2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31",
        "2026-10-25"]  # fmt: skip


@pytest.fixture(autouse=True)
def _prepared(home: Path) -> None:
    """Store prices of some days, one backfilled and one corrected, and two runs of a forecast."""
    backfilled = datetime(2026, 3, 20, tzinfo=UTC)
    live = [
        row
        for day in map(date.fromisoformat, DAYS)
        for row in prices(day, BERLIN.start(day - timedelta(days=1)) + 13 * HOUR - QUARTER / 5)
    ]
    corrected = {
        **live[-1],
        "price_eur_per_mwh": 99.0,
        "received_at": live[-1]["received_at"] + HOUR,
    }
    store("energy_charts_price", [*prices(date(2026, 1, 15), backfilled), *live, corrected])
    czech = [{name: row[name] for name in row if name != "bidding_zone"} for row in live]
    store("ote_day_ahead_price", czech)
    for first in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 28, tzinfo=UTC)):
        store(
            "noaa_gfs_wind_forecast",
            [
                {"run_at": run_at, "valid_at": run_at + hour * HOUR}
                | {"latitude": 50.0, "longitude": 10.0, "height_m": 100.0}
                | {"wind_speed_m_per_s": float(hour), "received_at": run_at + 4 * HOUR}
                for run_at, hours in ((first, 24), (first + 6 * HOUR, 12))
                for hour in range(hours)
            ],
        )


def prices(day: date, received_at: datetime) -> list[dict[str, Any]]:
    start, end = BERLIN.start(day), BERLIN.start(day + timedelta(days=1))
    return [
        {
            "bidding_zone": "DE-LU",
            "delivery_start": start + n * QUARTER,
            "delivery_end": start + (n + 1) * QUARTER,
            "price_eur_per_mwh": float(n),
            "received_at": received_at,
        }
        for n in range((end - start) // QUARTER)
    ]


@pytest.mark.parametrize(
    ("guide", "count"),
    [
        ("docs/reading.md", 3),
        ("docs/reading/time.md", 16),
        ("docs/reading/revisions.md", 12),
        ("README.md", 6),
    ],
)
def test_every_example_returns_rows(guide: str, count: int) -> None:
    text = (ROOT / guide).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    module, names = ast.parse("\n".join(blocks)), dict[str, Any]()
    asked = 0
    for statement in module.body:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), guide, "exec"), names)
            continue
        found = eval(compile(ast.Expression(statement.value), guide, "eval"), names)
        if isinstance(found, pl.LazyFrame):
            found = found.collect()
        said = ast.unparse(statement)
        assert found.height > 0 if isinstance(found, pl.DataFrame) else found == 92, said
        asked += 1
    assert asked == count
