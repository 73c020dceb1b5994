"""Every example of the guide to frames runs, and has the rows that the text says."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_platform.market.calendar import calendar
from tests.support.tables import store

GUIDE = Path(__file__).parents[3] / "docs" / "reading" / "frames.md"


@pytest.mark.usefixtures("home")
def test_the_examples_of_the_guide() -> None:
    first = calendar("Europe/Berlin").start(date(2026, 3, 28))
    hour, quarter = timedelta(hours=1), timedelta(minutes=15)
    store(
        "energy_charts_price",
        [
            {
                "bidding_zone": "DE-LU",
                "delivery_start": first + n * hour,
                "delivery_end": first + (n + 1) * hour,
                "price_eur_per_mwh": float(n),
                "received_at": first - 12 * hour + n // 24 * 24 * hour,
            }
            for n in range(72)
        ],
    )
    start = first + 30 * hour
    store(
        "nord_pool_intraday_contract",
        [
            {"contract_id": "C1", "delivery_area_id": "23", "product_type": "P15MIN"}
            | {"delivery_start": start, "delivery_end": start + quarter, "deleted": False}
            | {"opens_at": first, "closes_at": start, "updated_at": first, "received_at": first}
        ],
    )
    legs = [
        {"trade_id": "1", "contract_id": "C1", "side": side, "delivery_area_id": "23"}
        | {"revision_no": 1, "observed_at": start - age, "state": "COMPLETED"}
        | {"price_eur_per_mwh": 50.0, "volume_mw": 4.0, "received_at": start, "deleted": False}
        for age in (2 * hour,)
        for side in ("BUY", "SELL")
    ]
    early = [leg | {"trade_id": "2", "observed_at": first + 20 * hour} for leg in legs]
    store("nord_pool_intraday_trade", [*legs, *early])
    names: dict[str, Any] = {}
    examples = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    exec("\n".join(examples), names)
    frame = names["frame"]
    assert frame.height == 23
    assert frame.select("price", "day_before").row(0) == (pytest.approx(2.4), 0.0)
    assert names["at_the_gate"]["day_before"].null_count() < names["at_the_gate"].height
    assert names["quarters"].height == names["id3"].height == names["trades"].height == 1
    assert names["id3"]["price_eur_per_mwh"].to_list() == [50.0]
    assert names["italy"]["area"].to_list() == ["IT-North"]
    assert names["solar"].height > 1
    assert names["berlin"]["distance_km"][0] == 0.0
