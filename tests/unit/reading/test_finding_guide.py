"""Every example of the guide to finding and reading runs, and says what the guide says."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import energy_platform as ep
from tests.support.tables import store

GUIDE = Path(ep.__file__).parents[1] / "docs" / "reading" / "finding.md"
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.usefixtures("home")
def test_the_examples_run() -> None:
    rows = [
        {
            "bidding_zone": zone,
            "delivery_start": START + n * HOUR,
            "delivery_end": START + (n + 1) * HOUR,
            "price_eur_per_mwh": float(n),
            "received_at": START,
        }
        for n in range(48)
        for zone in ("DE-LU", "FR")
    ]
    store("energy_charts_price", rows)
    examples = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    told: dict[str, Any] = {}
    exec("\n".join(examples), told)
    assert told["found"]["name"][0] == "entsoe_day_ahead_price"
    assert repr(told["found"]["example"][0]) in GUIDE.read_text()
    assert told["zones"]["rows"].to_list() == [48, 48]
    assert told["size"].rows >= 48
    assert told["exact"].rows == 48
    assert told["total"] == 96
    assert told["newest"]["price_eur_per_mwh"].to_list() == [47.0]
    assert told["rows"].height == 96
    assert told["later"].rows.is_empty()
    assert told["daily"]["price"].to_list() == [11.5, 35.5, 11.5, 35.5]
    assert len(told["in_pandas"]) == told["in_arrow"].num_rows == 96
    assert told["chart"].to_dict()["mark"]["type"] == "line"
