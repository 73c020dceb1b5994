"""What the browser saves of a panel is what the panel shows: CSV, Parquet and a picture."""

import io
import zlib
from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from tests.browser.platform.pages import PAGES, Place
from tests.browser.platform.shown import utc
from tests.browser.platform.stored_charts import day_of
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = pytest.mark.timeout(600)

EACH = [
    pytest.param(
        page,
        marks=pytest.mark.end_to_end if page in ("intraday", "outages") else pytest.mark.nightly,
    )
    for page in PAGES
]
"""Two pages, one of charts and one of tables, in every run of the tests; the others nightly."""


LEAST_COLOURS = 8
"""A picture of a panel has more shades than these: letters alone have as many."""
NOTE_PX = 20
"""The line under a picture that says of what and of when it is."""


@pytest.mark.parametrize("page", EACH)
def test_pictures_are_of_the_panels_size_and_not_blank(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    screen.open(Place.known_at(None).address(page))
    screen.until(screen.has_answers)
    for panel in screen.panels():
        saved = screen.taken_away(panel, "PNG")
        box = screen.panel(panel).bounding_box()
        assert box is not None
        width, height, colours = look(saved)
        assert abs(width - box["width"]) <= 1, panel
        assert abs(height - box["height"] - NOTE_PX) <= 1, panel
        assert colours > LEAST_COLOURS, panel


def look(png: bytes) -> tuple[int, int, int]:
    """Return width, height and how many colours a picture of the browser has."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    place, packed = 8, b""
    while place < len(png):
        size, kind = int.from_bytes(png[place : place + 4]), png[place + 4 : place + 8]
        if kind == b"IDAT":
            packed += png[place + 8 : place + 8 + size]
        place += size + 12
    return width, height, len(set(zlib.decompress(packed)))


@pytest.mark.end_to_end
def test_parquet_holds_the_rows_of_each_source(screen: Screen, then: datetime) -> None:
    """As of an instant, a file's rows and values are those that the library has."""
    screen.open(f"day-ahead?asof={utc(then)}")
    screen.until(screen.has_answers)
    start, end = day_of(then)
    loaded = ep.load("entsoe_day_ahead_price", start=start, end=end, as_of=then)
    zones = screen.texts(".panel-prices .grid-heading")[1:]
    wanted = loaded.filter(pl.col("bidding_zone").is_in(zones), auction_sequence=1)
    assert not wanted.is_empty()
    for form, read in (("Parquet", pl.read_parquet), ("Arrow", pl.read_ipc_stream)):
        rows = read(io.BytesIO(screen.taken_away("prices", form)))
        assert_frame_equal(
            rows.select("delivery_start", "bidding_zone", "price_eur_per_mwh"),
            wanted.select("delivery_start", "bidding_zone", "price_eur_per_mwh"),
            check_row_order=False, check_dtypes=False,
        )  # fmt: skip


@pytest.mark.nightly  # right after a start a source may have no row yet, and its file no time
def test_a_panel_of_several_sources_offers_each_of_them(screen: Screen, then: datetime) -> None:
    screen.open(f"forecasts?asof={utc(then)}")
    screen.until(screen.has_answers)
    menu = screen.panel("load").locator("details.tools")
    menu.locator("summary").click()
    screen.until(lambda: menu.locator(".menu-head").count() == 2)
    assert menu.locator(".menu-head").all_text_contents() == ["entsoe_load_forecast", "entsoe_load"]
    for place, value in enumerate(("entsoe_load_forecast", "entsoe_load")):
        with screen.page.expect_download() as waited:
            menu.get_by_text("Parquet", exact=True).nth(place).click()
        rows = pl.read_parquet(waited.value.path())
        start, end = rows["delivery_start"].min(), rows["delivery_start"].max()
        assert isinstance(start, datetime)
        assert isinstance(end, datetime)
        loaded = ep.load(value, start=start, end=end + timedelta(seconds=1), as_of=then)
        wanted = loaded.filter(bidding_zone="DE-LU")
        assert_frame_equal(rows.select("delivery_start", "delivery_end", "load_mw"),
                           wanted.select("delivery_start", "delivery_end", "load_mw"),
                           check_row_order=False, check_dtypes=False)  # fmt: skip


@pytest.mark.parametrize("page", EACH)
def test_every_column_of_a_file_has_a_name_of_its_own(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    screen.open(Place.known_at(None).address(page))
    screen.until(screen.has_answers)
    for panel in PAGES[page]:
        if panel != "map":
            head = screen.taken_away(panel).decode().splitlines()[0]
            names = next(iter(pl.read_csv(io.StringIO(head), has_header=False).rows()))
            assert len(set(names)) == len(names), (panel, names)
