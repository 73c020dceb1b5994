"""The traders' screens in a browser: values, keys, time, as-of, lost connection, hostile text."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from playwright.sync_api import Locator

import energy_platform as ep
from energy_platform.market.registry import market_source
from energy_platform.pipeline.tables import market_table
from tests.support.dashboard import Desk
from tests.support.screens import Screen
from tests.support.trading_signals import hand_in, keep_manifest, next_quarter, words

BERLIN = ZoneInfo("Europe/Berlin")
QUARTER = timedelta(minutes=15)
PRICES = "entsoe_day_ahead_price"
TODAY = datetime.now(BERLIN).date()
MIDNIGHT = datetime.combine(TODAY, time(), BERLIN).astimezone(UTC)
OF_TODAY = f"day-ahead?day={TODAY}"
"""The page of that day, also once it is over."""
TOMORROW = datetime.combine(TODAY + timedelta(days=1), time(), BERLIN).astimezone(UTC)
KNOWN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
HOSTILE = "<img src=x onerror=\"document.title='taken'\"> & Söhne"
REVISED = "\N{CLOCKWISE OPEN CIRCLE ARROW}"
CHOSEN = ".panel-prices .selected:not([hidden])"
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
PAGES = {"1": "intraday", "2": "position", "3": "forecasts", "4": "balance", "5": "day-ahead",
         "6": "flows", "7": "gas", "8": "outages", "9": "data"}  # fmt: skip


def prices(start: datetime, values: list[float], zone: str = "DE-LU") -> pl.DataFrame:
    starts = [start + number * QUARTER for number in range(len(values))]
    return pl.DataFrame(
        {
            "delivery_start": starts,
            "delivery_end": [start + QUARTER for start in starts],
            "bidding_zone": zone,
            "auction_sequence": "1",
            "resolution": "PT15M",
            "price_eur_per_mwh": values,
        }
    )


def outage(unit: str) -> pl.DataFrame:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return pl.DataFrame(
        {
            "delivery_start": [now - timedelta(hours=2)],
            "delivery_end": [now + timedelta(hours=9)],
            "outage_id": ["a1"],
            "revision_number": [2],
            "time_series": ["1"],
            "unit_kind": ["production unit"],
            "status": ["Active"],
            "outage_type": ["Unplanned outage"],
            "bidding_zone": ["CZ"],
            "production_type": ["Nuclear"],
            "unit_eic": ["27W0000000000001"],
            "unit_name": [unit],
            "location": ["Dukovany"],
            "nominal_mw": [500.0],
            "available_mw": [120.0],
            "reason_code": ["B18"],
            "reason_text": ["Failure"],
            "published_at": [now],
        }
    )


def of_table(source: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the types of their source's table."""
    dtypes = market_source(source).dtypes
    return rows.cast({name: dtypes[name] for name in rows.columns})


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Desk]:
    with closing(Desk(desk_home)) as served:
        first = of_table(PRICES, prices(TOMORROW, [10.0] * 96))
        served.store(PRICES, first, received_at=KNOWN)
        values = [50.0 + number / 10 for number in range(96)]
        served.store(PRICES, of_table(PRICES, prices(MIDNIGHT, values)))
        served.store("entsoe_outage", of_table("entsoe_outage", outage(HOSTILE)))
        yield served


def is_there(found: Locator) -> bool:
    return found.count() == 1


def row_of(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def test_values_are_the_stores_and_changes_arrive(screen: Screen, desk: Desk) -> None:
    screen.open(OF_TODAY)
    first = row_of(MIDNIGHT)
    screen.key("Home")
    screen.until(lambda: screen.cell("prices", first, "DE-LU") == "50.00")
    table = market_table(market_source(PRICES))
    stored = desk.batches.warehouse.scan(table).sort("delivery_start").collect()
    for place, row in enumerate(stored.head(5).to_dicts()):
        shown = screen.cell("prices", row_of(MIDNIGHT + place * QUARTER), "DE-LU")
        assert shown == f"{row['price_eur_per_mwh']:.2f}"
    desk.store(PRICES, of_table(PRICES, prices(MIDNIGHT, [-61.23])))
    screen.until(lambda: screen.cell("prices", first, "DE-LU") == f"{REVISED} {MINUS}61.23")


def test_what_was_known_is_shown_as_the_library_has_it(screen: Screen, desk: Desk) -> None:
    desk.store(PRICES, of_table(PRICES, prices(TOMORROW, [99.0] * 96)))
    day = (TODAY + timedelta(days=1)).isoformat()
    then = KNOWN + timedelta(hours=1)
    at = then.isoformat().replace("+00:00", "Z")
    [known] = ep.load(PRICES, start=TOMORROW, end=TOMORROW + QUARTER, as_of=then).to_dicts()
    shown = f"{known['price_eur_per_mwh']:.2f}"
    screen.open(f"day-ahead?day={day}")
    screen.key("Home")
    screen.until(lambda: screen.cell("prices", row_of(TOMORROW), "DE-LU") == f"{REVISED} 99.00")
    screen.open(f"day-ahead?day={day}&asof={at}")
    screen.until(lambda: screen.cell("prices", row_of(TOMORROW), "DE-LU") == shown)
    assert shown == "10.00"
    assert "What was known at" in screen.text(".asof-bar")
    screen.key("Escape")
    screen.until(lambda: screen.cell("prices", row_of(TOMORROW), "DE-LU") == f"{REVISED} 99.00")
    assert "asof" not in screen.hash


def test_every_key_works(screen: Screen) -> None:
    screen.open("data")
    for key, page in PAGES.items():
        screen.key(key)
        assert screen.hash.startswith(f"#/{page}")
        drawn = screen.page.locator(f".page-{page}")
        screen.until(partial(is_there, drawn))
    screen.open(OF_TODAY)
    zone = screen.text(".clock").split()[-1]
    assert zone in {"CET", "CEST"}
    screen.key("u")
    screen.until(lambda: screen.text(".clock").split()[-1] == "UTC")
    screen.key("u")
    screen.until(lambda: screen.text(".clock").split()[-1] == zone)
    before = screen.theme()
    screen.key("t")
    assert screen.theme() != before
    screen.key("?")
    screen.until(lambda: screen.page.locator("dialog[open]").count() == 1)
    screen.key("Escape")
    screen.until(lambda: screen.page.locator("dialog[open]").count() == 0)
    screen.key("a")
    screen.until(lambda: "asof=" in screen.hash)
    start = screen.hash
    screen.key("ArrowLeft")
    assert screen.hash != start
    screen.key("g")
    gate = datetime.combine(TODAY - timedelta(days=1), time(12), BERLIN).astimezone(UTC)
    screen.until(lambda: gate.strftime("%Y-%m-%dT%H%%3A%M%%3A00Z") in screen.hash)
    screen.key("Escape")
    screen.until(lambda: "asof" not in screen.hash)
    screen.page.locator(".panel-prices .grid-body").focus()
    screen.key_until("Home", lambda: screen.text(f"{CHOSEN} [data-column='DE-LU']") != "")
    screen.key_until("l", lambda: screen.page.locator(".lineage").count() == 1)
    screen.until(lambda: PRICES in screen.text(".lineage h2"))
    screen.until(lambda: "offset" in screen.text(".lineage").lower())
    screen.key("Escape")
    screen.until(lambda: screen.page.locator(".lineage").count() == 0)
    screen.key("z")
    screen.until(lambda: "UTC" in " ".join(screen.texts("#command-list .entry")))
    screen.key("Escape")
    # From the first row down: the last one of the day has none below it.
    screen.page.locator(".panel-prices .grid-body").focus()
    screen.key("Home", "j", "j")
    screen.until(lambda: screen.text(f"{CHOSEN} .grid-cell") == f"00:30{DASH}00:45")


def test_keys_right_after_the_slash_are_not_lost(screen: Screen) -> None:
    screen.open("data")
    screen.key("/", "b", "a", "l", "a", "n", "Enter")
    screen.until(lambda: screen.hash.startswith("#/balance"))


def test_choices_stay(screen: Screen) -> None:
    screen.open("data")
    screen.key("t")
    assert screen.theme() == "light"
    screen.page.reload()
    screen.until(lambda: screen.theme() == "light")


@pytest.mark.parametrize(
    ("day", "periods", "said"),
    [
        (date(2026, 3, 29), 92, f"01:45{DASH}03:00"),
        (date(2026, 10, 25), 100, f"02:00A{DASH}02:15A"),
    ],
    ids=["spring", "autumn"],
)
def test_a_day_has_its_quarter_hours(screen: Screen, day: date, periods: int, said: str) -> None:
    screen.open(f"day-ahead?day={day}")
    grid = screen.page.locator(".panel-prices .grid")
    screen.until(lambda: grid.get_attribute("aria-rowcount") == str(periods + 1))
    screen.page.locator(".panel-prices .grid-body").evaluate("body => body.scrollTop = 0")
    screen.until(lambda: said in screen.texts(".panel-prices .grid-cell"))


def test_text_of_the_market_is_text(screen: Screen) -> None:
    screen.open("outages")
    screen.until(lambda: HOSTILE in " ".join(screen.texts(".panel-outages .grid-cell")))
    screen.page.locator(".panel-outages .grid-row").first.dblclick()
    screen.until(lambda: HOSTILE in screen.text(".lineage"))
    assert screen.page.locator("main img").count() == 0
    assert "taken" not in screen.page.title()


def test_what_is_shown_can_be_taken_away(screen: Screen, tmp_path: Path) -> None:
    screen.open("outages")
    screen.until(lambda: HOSTILE in " ".join(screen.texts(".panel-outages .grid-cell")))
    screen.panel("outages").locator("summary").click()
    with screen.page.expect_download() as waited:
        screen.page.get_by_role("button", name="CSV as shown").click()
    waited.value.save_as(tmp_path / "outages.csv")
    [head, line] = csv.reader(io.StringIO((tmp_path / "outages.csv").read_text()))
    assert dict(zip(head, line, strict=True))["Unit"] == HOSTILE
    assert dict(zip(head, line, strict=True))["Out MW"] == "380"


def test_a_lost_server_is_told_and_comes_back(screen: Screen, desk: Desk) -> None:
    screen.open(OF_TODAY)
    third = row_of(MIDNIGHT + 2 * QUARTER)
    screen.key("Home")
    screen.until(lambda: screen.cell("prices", third, "DE-LU") == "50.20")
    desk.end_server()
    screen.until(lambda: screen.link().startswith("STALE"))
    screen.until(lambda: screen.link() == "NO DATA")
    assert "NO DATA" in screen.text(".panel-prices .panel-note")
    assert "What is shown is old" in screen.text(".troubles")
    desk.store(PRICES, of_table(PRICES, prices(MIDNIGHT + 2 * QUARTER, [77.7])))
    desk.serve()
    screen.until(lambda: screen.link() == "LIVE")
    screen.until(lambda: screen.cell("prices", third, "DE-LU") == f"{REVISED} 77.70")
    assert screen.page.locator(".troubles").count() == 0


def test_a_signal_says_a_fan_and_then_plainly_why_it_is_silent(screen: Screen, desk: Desk) -> None:
    start = next_quarter()
    keep_manifest(desk.settings.home, loss=140.0, of_baselines=170.0)
    hand_in(desk, words(start, [340.0, -20.0, -60.0]))
    screen.open("intraday?panel=signals&signal=imbalance_de")
    said = ".panel-signals [data-signal=imbalance_de]"
    screen.until(lambda: "+340 MW" in screen.text(said))
    local = start.astimezone(BERLIN)
    for words_of_it in (
        f"{local:%H:%M}{DASH}{local + QUARTER:%H:%M}", f"{MINUS}160 … +840", "67 % above 0",
        "12 min before the gate", "model abcdef12", "beats both, loss 140.0, climatology 170.0",
    ):  # fmt: skip
        assert words_of_it in screen.text(said), words_of_it
    assert screen.page.locator(".panel-signals canvas").count() == 1
    assert screen.faults() == []
    screen.page.locator(f"{said} button.value").click()
    screen.until(lambda: "trading_signal" in screen.text(".lineage"))
    hand_in(desk, words(start, [None] * 3, silent_because="drift: ramp (stability index 9)"))
    screen.until(lambda: "drift: ramp (stability index 9)" in screen.text(f"{said} .signal-why"))
    assert "MW" not in screen.text(f"{said} .signal-head")
    assert screen.page.locator(".panel-signals canvas").count() == 0


@pytest.mark.parametrize("page", ["data", "day-ahead"])
def test_axe_finds_nothing_wrong(screen: Screen, page: str) -> None:
    screen.open(page)
    screen.until(lambda: screen.page.locator(".grid-row").count() > 0)
    assert screen.faults() == []
    screen.key("t")
    assert screen.faults() == []
