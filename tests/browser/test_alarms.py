"""Alarms, marks, lineage by one click and resized panels, on the screens in a browser."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_platform.market.registry import market_source
from tests.support.dashboard import Desk
from tests.support.screens import Screen

STEPS = 4
"""How often the key is pressed that moves a gap by 24 pixels."""
PRICES = "entsoe_day_ahead_price"
QUARTER = timedelta(minutes=15)
NOW = datetime.now(UTC)
START = NOW.replace(minute=NOW.minute // 15 * 15, second=0, microsecond=0)
ROW = str(int(START.timestamp() * 1000))
DAY_AHEAD = f"day-ahead?day={START.astimezone(ZoneInfo('Europe/Berlin')).date()}&period={ROW}"
"""The page with that quarter-hour chosen, also once it is over."""


def price(value: float) -> pl.DataFrame:
    dtypes = market_source(PRICES).dtypes
    rows = pl.DataFrame(
        {
            "delivery_start": [START],
            "delivery_end": [START + QUARTER],
            "bidding_zone": "DE-LU",
            "auction_sequence": "1",
            "resolution": "PT15M",
            "price_eur_per_mwh": [value],
        }
    )
    return rows.cast({name: dtypes[name] for name in rows.columns})


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    with closing(Desk(desk_home)) as served:
        served.store(PRICES, price(50.0), received_at=NOW - timedelta(hours=2))
        yield served


def shown_price(screen: Screen) -> str:
    return screen.cell("prices", ROW, "DE-LU")


def test_an_alarm_is_set_on_a_value_raised_and_acknowledged_by_keys(
    screen: Screen, desk: Desk
) -> None:
    screen.open(DAY_AHEAD)
    screen.until(lambda: shown_price(screen) == "50.00")
    screen.key_until("l", lambda: screen.page.locator(".lineage").count() == 1)
    screen.until(lambda: "alarm on this value" in screen.text(".lineage"))
    screen.key("w")
    screen.until(lambda: "DE-LU" in screen.text(".new-rule"))
    limit = screen.page.get_by_label("Threshold")
    assert limit.input_value() == "50"
    limit.fill("60")
    screen.key("Enter")
    screen.until(lambda: "above 60.00 EUR/MWh" in screen.text(".alarms"))
    assert screen.faults() == []
    screen.key("Escape")
    screen.until(lambda: screen.page.locator(".alarms").count() == 0)
    desk.store(PRICES, price(71.5))
    screen.until(lambda: "1 alarm" in screen.text(".pill.alarm"))
    # The value is marked where it stands, and leads by one click to what it was.
    screen.until(lambda: shown_price(screen).endswith("71.50"))
    screen.until(lambda: shown_price(screen) == "↻ 71.50")
    screen.page.locator(".panel-prices .selected [data-column='DE-LU']").click()
    screen.until(lambda: "50.00" in screen.text(".lineage"))
    screen.key("Escape", "b")
    screen.until(lambda: "71.5" in screen.text(".alarm-list li.open"))
    screen.page.get_by_role("button", name="acknowledge").focus()
    screen.key("Enter")
    screen.until(lambda: "seen by local" in screen.text(".alarms"))
    screen.until(lambda: screen.page.locator(".pill.alarm").count() == 0)
    screen.page.get_by_role("button", name="Remove rule").focus()
    screen.key("Enter")
    screen.until(lambda: "There is none" in screen.text(".alarms"))


def test_a_point_of_a_chart_leads_to_its_lineage(screen: Screen) -> None:
    screen.open(DAY_AHEAD)
    screen.chart_key("curves", "ArrowRight", "Enter")
    screen.until(lambda: PRICES in screen.text(".lineage h2"))
    screen.until(lambda: "EUR/MWh" in screen.text(".lineage"))
    assert "asof" not in screen.hash


def test_panels_are_resized_by_keys_and_stay_so(screen: Screen) -> None:
    screen.open(DAY_AHEAD)
    panel = screen.panel("curves")
    gap = screen.page.locator(".gap-columns[tabindex='0']")
    screen.until(lambda: gap.count() == 1)
    before = panel.bounding_box()
    assert before is not None
    gap.focus()
    screen.key(*["ArrowRight"] * STEPS)

    def is_wider() -> bool:
        box = panel.bounding_box()
        return box is not None and box["width"] > before["width"] + STEPS * 20

    screen.until(is_wider)
    screen.page.reload()
    screen.until(is_wider)
    gap.focus()
    screen.key("Home")
    screen.until(lambda: not is_wider())
