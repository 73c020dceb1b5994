"""Every figure leads to the row that it was read from by one click, whichever panel shows it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.support.dashboard import Desk
from tests.support.screens import Screen

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
TODAY = NOW.replace(hour=0)
PRICES = "entsoe_day_ahead_price"
FLOW = "entsoe_cross_border_flow"
SCHEDULE = "entsoe_scheduled_exchange"
CAPACITY = "jao_max_exchange"


def prices(zone: str, euro: float, auction: int = 1) -> pl.DataFrame:
    starts = [TODAY - HOUR + number * QUARTER for number in range(108)]
    return pl.DataFrame(
        {
            "delivery_start": starts, "delivery_end": [one + QUARTER for one in starts],
            "bidding_zone": zone, "auction_sequence": auction, "resolution": "PT15M",
            "price_eur_per_mwh": euro,
        }
    )  # fmt: skip


def power(column: str, mw: float, start: datetime, **said: str) -> pl.DataFrame:
    period = {"delivery_start": [start], "delivery_end": [start + HOUR]}
    return pl.DataFrame({**period, **said, column: [mw]})


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    served = Desk(desk_home)
    of_zones = [prices("DE-LU", 61.0), prices("FR", 48.5), prices("DE-LU", 59.25, auction=2)]
    served.store(PRICES, pl.concat(of_zones))
    for from_zone, to_zone, mw in (("DE-LU", "FR", 900.0), ("FR", "DE-LU", 0.0)):
        ends = {"from_zone": from_zone, "to_zone": to_zone, "resolution": "PT60M"}
        served.store(FLOW, power("flow_mw", mw, NOW - HOUR, **ends))
        served.store(SCHEDULE, power("exchange_mw", mw / 2, NOW - HOUR, contract="Total", **ends))
    limit = power("max_exchange_mw", 3_000.0, NOW, border="DE_FR")
    served.store(CAPACITY, limit.with_columns(published_at=pl.lit(NOW)))
    yield served
    served.close()


def leads_to(screen: Screen, source: str, *said: str) -> None:
    """Require that the drawer shows a row of a source, with the message that held it."""
    screen.until(lambda: screen.text(".lineage h2") == source)
    screen.until(lambda: "Offset" in screen.text(".lineage"))
    screen.until(lambda: all(text in screen.text(".lineage") for text in said))
    screen.key("Escape")
    screen.until(lambda: screen.page.locator(".lineage").count() == 0)


def test_a_spread_leads_to_its_price(screen: Screen) -> None:
    screen.open("day-ahead")
    cells = screen.panel("matrix").locator("td button")
    screen.until(lambda: cells.nth(1).text_content() == "▲ +12.50")
    cells.nth(1).click()
    leads_to(screen, PRICES, "DE-LU", "61.00")
    cells.nth(1).press("Enter")
    leads_to(screen, PRICES, "DE-LU")


def test_the_other_auction_has_its_own_prices(screen: Screen) -> None:
    screen.open("day-ahead")
    mean = screen.panel("matrix").locator("td button").first
    screen.until(lambda: mean.text_content() == "61.00")
    screen.panel("prices").get_by_role("button", name="EXAA").click()
    screen.until(lambda: mean.text_content() == "59.25")
    assert "auction=2" in screen.hash
    mean.click()
    leads_to(screen, PRICES, "59.25")


def test_each_figure_of_a_border_leads_to_its_own_row(screen: Screen) -> None:
    screen.open("flows")
    border = "DE-LU>FR"
    screen.until(lambda: screen.cell("borders", border, "flow") == "900")
    for column, source, said in (
        ("flow", FLOW, "900"), ("schedule", SCHEDULE, "450"), ("capacity", CAPACITY, "3"),
        ("used", FLOW, "900"), ("spread", PRICES, "FR"),
    ):  # fmt: skip
        row = f'.grid-row[data-id="{border}"]:not([hidden])'
        screen.panel("borders").locator(f'{row} [data-column="{column}"]').click()
        leads_to(screen, source, said)


def test_the_map_leads_to_flows_and_prices(screen: Screen) -> None:
    screen.open("flows")
    drawn = screen.panel("map").locator("g.traced")
    screen.until(lambda: drawn.filter(has_text="900").count() == 1)
    drawn.filter(has_text="900").locator("text.flow").click()
    leads_to(screen, FLOW, "900")
    assert "border=DE-LU" in screen.hash
    drawn.filter(has_text="48.50").locator("text.price").click()
    leads_to(screen, PRICES, "FR", "48.50")


def test_page_4_says_that_no_source_states_activated_reserves(screen: Screen) -> None:
    screen.open("balance")
    screen.until(lambda: "No source" in (screen.panel("reserves").text_content() or ""))
    screen.panel("reserves").get_by_role("button", name="Tenders").click()
    screen.until(lambda: screen.hash == "#/data?source=regelleistung_tender")


@pytest.mark.parametrize("page", ["balance", "day-ahead", "flows"])
def test_a_screen_reader_gets_along(screen: Screen, page: str) -> None:
    screen.open(page)
    screen.until(lambda: screen.page.locator(".panel").count() > 2)
    assert screen.faults() == []
