"""Every figure leads to the row that it was read from by one click, whichever panel shows it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Route

from tests.browser.platform.shown import table_differences, utc
from tests.browser.platform.stored_market import positions, totals
from tests.browser.platform.stored_tables import errors_by_lead
from tests.support.dashboard import Desk
from tests.support.screens import Screen
from tests.unit.dashboard.test_forecast_errors import load
from tests.unit.dashboard.test_intraday import order, send_book, send_contract
from tests.unit.dashboard.test_open_positions import CONTRACT, START, imbalance, of, state, stated
from tests.unit.dashboard.test_open_positions import prices as quarter_prices

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
TODAY = NOW.replace(hour=0)
PRICES = "entsoe_day_ahead_price"
FLOW = "entsoe_cross_border_flow"
SCHEDULE = "entsoe_scheduled_exchange"
CAPACITY = "jao_max_exchange"
POSITION = "position"
BOOK, CONTRACTS = "nord_pool_intraday_order_book", "nord_pool_intraday_contract"
DAY_AHEAD, IMBALANCE = "energy_charts_price", "netztransparenz_imbalance"
OUTAGE = "entsoe_outage"
FORECAST, LOAD = "entsoe_load_forecast", "entsoe_load"


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
    with closing(Desk(desk_home)) as served:
        of_zones = [prices("DE-LU", 61.0), prices("FR", 48.5), prices("DE-LU", 59.25, auction=2)]
        served.store(PRICES, pl.concat(of_zones))
        for from_zone, to_zone, mw in (("DE-LU", "FR", 900.0), ("FR", "DE-LU", 0.0)):
            ends = {"from_zone": from_zone, "to_zone": to_zone, "resolution": "PT60M"}
            served.store(FLOW, power("flow_mw", mw, NOW - HOUR, **ends))
            served.store(
                SCHEDULE, power("exchange_mw", mw / 2, NOW - HOUR, contract="Total", **ends)
            )
        # The one that holds now is shown, and the hour may end before the test does.
        limits = [power("max_exchange_mw", 3_000.0, NOW + number * HOUR, border="DE_FR")
                  for number in range(4)]  # fmt: skip
        served.store(CAPACITY, pl.concat(limits).with_columns(published_at=pl.lit(NOW)))
        send_contract(served, CONTRACT, START)
        send_book(served, 1, buys=[order("a", 49.0, 50.0)], snapshot=True)
        served.batch(BOOK, CONTRACTS)
        served.store(DAY_AHEAD, quarter_prices(START, [81.5]))
        served.store(IMBALANCE, imbalance(90.0, START - 3 * HOUR))
        state(served, stated(8.0), stated(2.0, portfolio="south"))
        served.store(OUTAGE, pl.concat([outage("a", 400.0), outage("b", 120.0)]))
        first = NOW - 12 * HOUR
        hours = [first + number * HOUR for number in range(4)]
        for level, before in ((900.0, 7 * HOUR), (990.0, 2 * HOUR)):
            rows = load(FORECAST, dict.fromkeys(hours, level))
            served.store(FORECAST, rows, received_at=first - before)
        served.store(
            LOAD, load(LOAD, {first + number * HOUR: 1000.0 + number for number in range(4)})
        )
        yield served


def outage(name: str, available_mw: float) -> pl.DataFrame:
    period = {"delivery_start": [NOW - HOUR], "delivery_end": [NOW + 9 * HOUR]}
    said = {
        "outage_id": name, "revision_number": 1, "time_series": "1", "unit_name": f"unit {name}",
        "unit_kind": "production unit", "status": "Active", "outage_type": "Unplanned outage",
        "bidding_zone": "CZ", "production_type": "Nuclear", "unit_eic": "27W", "location": "x",
        "nominal_mw": 500.0, "available_mw": available_mw, "reason_code": "B18",
        "reason_text": "Failure", "published_at": NOW,
    }  # fmt: skip
    return pl.DataFrame({**period, **{column: [value] for column, value in said.items()}})


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


def click(screen: Screen, panel: str, row: str, column: str) -> None:
    found = f'.grid-row[data-id="{row}"]:not([hidden]) [data-column="{column}"]'
    screen.panel(panel).locator(found).click()


def test_each_figure_of_a_position_leads_to_its_own_row(screen: Screen) -> None:
    row = f"north|DE-LU|{of(START)}"
    screen.open(f"position?position={row}")
    screen.until(lambda: screen.cell("positions", row, "close_cost") != "")
    for column, source, said in (
        ("open", POSITION, "north"), ("generation", POSITION, "generation_forecast"),
        ("day_ahead", DAY_AHEAD, "81.50"), ("value", DAY_AHEAD, "81.50"),
        ("closing_price", BOOK, CONTRACT), ("close_cost", BOOK, CONTRACT),
        ("closes", CONTRACTS, CONTRACT), ("imbalance", IMBALANCE, "AEP-Schätzer"),
    ):  # fmt: skip
        click(screen, "positions", row, column)
        leads_to(screen, source, said)


@pytest.mark.parametrize("when", ["now", "then"])
def test_what_positions_cost_is_what_the_stores_say(screen: Screen, when: str) -> None:
    at = None if when == "now" else datetime.now(UTC).replace(microsecond=0)
    screen.open("position" if at is None else f"position?asof={utc(at)}")
    screen.until(lambda: screen.cell("totals", "all", "close_cost") != "")
    assert table_differences(screen.lines("positions"), positions(at)) == []
    assert table_differences(screen.lines("totals"), totals(at)) == []


def test_sums_of_positions_lead_to_what_they_are_made_of(screen: Screen) -> None:
    screen.open("position")
    whole, own = "all", "south|DE-LU"
    screen.until(lambda: screen.cell("totals", whole, "close_cost") != "")
    for row, column, source in (
        (own, "long", POSITION), (whole, "long", POSITION), (own, "value", DAY_AHEAD),
        (whole, "close_cost", BOOK), (own, "imbalance", IMBALANCE),
    ):  # fmt: skip
        click(screen, "totals", row, column)
        leads_to(screen, source)
    net, closing, left = screen.panel("positions").locator("button.value").all()
    for figure, source in ((net, POSITION), (closing, BOOK), (left, IMBALANCE)):
        figure.press("Enter")  # late sources' names may stand over it
        leads_to(screen, source)
    screen.chart_key("composition", "ArrowRight", "Enter")
    leads_to(screen, POSITION)


def test_an_own_position_on_page_1_leads_to_what_was_stated(screen: Screen) -> None:
    screen.open(f"intraday?area=DE-LU&product=QH&contract={CONTRACT}")
    screen.until(lambda: screen.cell("contracts", CONTRACT, "position") == "+10.0")
    click(screen, "contracts", CONTRACT, "position")
    leads_to(screen, POSITION, "north", "south")
    click(screen, "contracts", CONTRACT, "close_cost")
    leads_to(screen, BOOK, CONTRACT)


def test_a_sum_of_outages_leads_to_the_largest(screen: Screen) -> None:
    screen.open("outages")
    figure = screen.panel("outages").locator("button.value")
    screen.until(lambda: figure.text_content() == "480 MW")
    figure.click()
    leads_to(screen, OUTAGE, "unit b")


def test_the_day_before_leads_to_its_own_day(screen: Screen) -> None:
    day = (TODAY + timedelta(days=1)).date()
    screen.open(f"day-ahead?day={day}")
    screen.until(screen.has_answers)
    # The last point is where the last quarter-hour ends, the one before where it begins.
    screen.chart_key("compare", "ArrowLeft", "ArrowLeft", "Enter")
    leads_to(screen, PRICES, f"{TODAY:%a} {TODAY.day} {TODAY:%b} 23:45")


def test_errors_by_lead_are_the_librarys_and_lead_to_their_forecasts(screen: Screen) -> None:
    screen.open("forecasts?zone=DE-LU")
    chart = screen.panel("leads").locator(".chart:not(.blank) .chart-keys")
    screen.until(lambda: chart.count() == 1)
    wanted = errors_by_lead(None)
    assert {line["lead h"] for line in wanted} == {"1", "2", "3", "6", "9"}
    assert table_differences(screen.lines("leads"), wanted) == []
    screen.chart_key("leads", "ArrowRight", "Enter")
    leads_to(screen, FORECAST, "DE-LU", "990")


def test_a_row_that_is_not_stored_yet_is_asked_for_again(screen: Screen) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(
                json={"source": FLOW, "message": None, "revisions": [], "quarantined": []}
            )
        else:
            route.continue_()

    screen.page.route("**/api/lineage/**", answer)
    screen.open("flows")
    screen.until(lambda: screen.cell("borders", "DE-LU>FR", "flow") == "900")
    click(screen, "borders", "DE-LU>FR", "flow")
    leads_to(screen, FLOW, "900")
    assert len(asked) == 2


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
