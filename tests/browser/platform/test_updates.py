"""What changes in the stores changes on the screen by itself, on every page, and is marked there.

Where the simulated market says nothing new for hours, a provider's newest message lands once more
with other figures, as a correction would, and with figures that no check accepts.
"""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import polars as pl
import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.stores import micro_batches
from tests.browser.platform.agreement import wait_until_agreed
from tests.browser.platform.pages import PAGES, Place
from tests.browser.platform.shown import QUARANTINED, REVISED
from tests.browser.platform.stored_charts import (
    QUARTER,
    ZONE,
    around,
    day_of,
    finest,
    in_span,
    newest_outages,
    prices,
)
from tests.browser.platform.stored_tables import storages
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform
from tests.support.screens import Screen

pytestmark = pytest.mark.timeout(900)

MOVING = {
    "intraday": ("contracts", "Bid EUR/MWh"),
    "balance": ("frequency-ce", "Frequency Hz"),
    "data": ("sources", "Rows"),
}
"""Pages whose market moves all the time: a panel, and a column that does."""
_CHART_POINTS = 400
_POSITION = "portfolio,area,kind,name,delivery_start,delivery_end,power_mw\nspike,{}"


def load_forecast() -> pl.DataFrame:
    return in_span("entsoe_load_forecast", None, 18, 36, bidding_zone=ZONE)


def price_of_today() -> pl.DataFrame:
    return prices(*day_of(None), None, ZONE)


def flow() -> pl.DataFrame:
    """Return the newest flows of a border of which as much is told as of any other period."""
    rows = finest(in_span("entsoe_cross_border_flow", None, 6, 0.25), "from_zone", "to_zone")
    border = pl.concat_list("from_zone", "to_zone").list.sort().list.join(">")
    one = rows.filter(border == border.first())
    told = pl.len().over("delivery_start")
    return one.filter(told == told.max()).sort("delivery_start")


def filling() -> pl.DataFrame:
    return storages(None).head(1)


def outage() -> pl.DataFrame:
    """Return the largest outage of now."""
    now = datetime.now(UTC)
    held = newest_outages(None).filter(
        pl.col("delivery_start") <= now, pl.col("delivery_end") > now
    )
    return held.sort(pl.col("nominal_mw") - pl.col("available_mw"), nulls_last=False)


CORRECTED: dict[str, tuple[str, str, Callable[[], pl.DataFrame]]] = {
    "forecasts": ("load", "entsoe_load_forecast", load_forecast),
    "day-ahead": ("prices", "entsoe_day_ahead_price", price_of_today),
    "flows": ("borders", "entsoe_cross_border_flow", flow),
    "gas": ("storage", "agsi_storage", filling),
    "outages": ("outages", "entsoe_outage", outage),
}
"""Pages that wait for news for long: a panel, the source that is corrected, and rows of it that the
panel shows; the message of the last of them is corrected."""
_FIGURE = re.compile(
    rb'(<(?:quantity|price\.amount)>|"(?:full|gasInStorage)":\s?"?)(-?\d+)(\.\d+)?'
)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, marks=pytest.mark.end_to_end if page == "balance" else pytest.mark.nightly
        )
        for page in MOVING
    ],
)
def test_what_moves_moves_on_the_screen(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    place, (panel, column) = Place.known_at(None), MOVING[page]
    open_for_good(screen, place.address(page))

    def shown() -> list[str]:
        return [line[column] for line in screen.lines(panel)]

    screen.until(shown)
    before = shown()
    screen.until(lambda: shown() != before, RECOVERY_SECONDS)
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    assert_never_reloaded(screen)


@pytest.mark.nightly
def test_a_position_that_is_handed_in_arrives(screen: Screen, platform: RunningPlatform) -> None:
    place = Place.known_at(None)
    open_for_good(screen, place.address("position"))
    wait_until_agreed(screen, "positions", PAGES["position"]["positions"], place)
    start = around(None, 0, 0)[0] + 2 * QUARTER
    line = f"DE-LU,contract,deal,{start.isoformat()},{(start + QUARTER).isoformat()},12.5\n"
    answer = httpx.post(
        f"{platform.dashboard}/api/positions", content=_POSITION.format(line), timeout=60
    )
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    def is_shown() -> bool:
        lines = screen.lines("positions")
        return [one["Open MW"] for one in lines if one["Portfolio"] == "spike"] == ["12.5"]

    screen.until(is_shown, RECOVERY_SECONDS)
    for panel in ("positions", "composition", "totals", "changes"):
        wait_until_agreed(screen, panel, PAGES["position"][panel], place)
    assert_never_reloaded(screen)


@pytest.mark.nightly
@pytest.mark.parametrize("page", CORRECTED)
def test_a_correction_arrives_and_is_marked_where_it_stands(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    place, (panel, source, rows) = Place.known_at(None), CORRECTED[page]
    open_for_good(screen, place.address(page))
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    before = screen.taken_away(panel)
    land(source, higher, rows)
    screen.until(lambda: screen.taken_away(panel) != before, RECOVERY_SECONDS)
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    screen.until(lambda: is_marked(screen, panel, REVISED), RECOVERY_SECONDS)
    assert_never_reloaded(screen)


@pytest.mark.nightly
@pytest.mark.parametrize("page", CORRECTED)
def test_a_refused_correction_is_marked_where_it_stands_and_not_shown(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    place, (panel, source, rows) = Place.known_at(None), CORRECTED[page]
    open_for_good(screen, place.address(page))
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    land(source, absurd, rows)
    screen.until(lambda: is_marked(screen, panel, QUARANTINED), RECOVERY_SECONDS)
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    assert_never_reloaded(screen)


def open_for_good(screen: Screen, address: str) -> None:
    """Open a page, and note that it is this one."""
    screen.open(address)
    screen.until(screen.has_answers)
    screen.page.evaluate("window.isTheSame = true")


def assert_never_reloaded(screen: Screen) -> None:
    assert screen.page.evaluate("window.isTheSame") is True


def is_marked(screen: Screen, panel: str, sign: str) -> bool:
    """Return whether a cell of a table in view, or a point of a chart, has a sign."""
    chart = screen.panel(panel).locator(".chart-keys")
    if not chart.count():
        cells = f".panel-{panel} .grid-cell:not([data-column='revision'])"
        return any(text.startswith(sign) for text in screen.texts(cells))
    return any(sign in one for one in screen.readouts(panel, _CHART_POINTS))


def land(
    source: str, changed: Callable[[re.Match[bytes]], bytes], rows: Callable[[], pl.DataFrame]
) -> None:
    """Let the message of the last row land once more, with each of its figures changed."""
    batches = micro_batches()
    offset = int(rows()["landing_offset"][-1])
    [message] = batches.landing.log(source).read(offset, offset + 1)
    batches.landing.guest(source).append([with_figures(message, changed)])


def with_figures(message: RawMessage, changed: Callable[[re.Match[bytes]], bytes]) -> RawMessage:
    """Return a message with other figures, as if received now."""
    body = message.body
    if zipfile.is_zipfile(io.BytesIO(body)):
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(packed, "w") as new:
            for name in old.namelist():
                new.writestr(name, _FIGURE.sub(changed, old.read(name)))
        body = packed.getvalue()
    else:
        body = _FIGURE.sub(changed, body)
    assert body != message.body
    return replace(message, body=body, received_at=datetime.now(UTC), landing_offset=-1)


def higher(found: re.Match[bytes]) -> bytes:
    return found[1] + str(int(found[2]) + 1).encode() + (found[3] or b"")


def absurd(found: re.Match[bytes]) -> bytes:
    return found[1] + b"99999999"
